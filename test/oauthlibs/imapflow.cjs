// Opens the inbox by imapflow with a token: port, person, token.
const { ImapFlow } = require("/opt/portreeve-test/imapflow-1.0.190/node_modules/imapflow");
const [port, user, accessToken] = process.argv.slice(2);
const client = new ImapFlow({ host: "localhost", port: Number(port), secure: true, auth: { user, accessToken }, logger: false });
client.on("error", () => {});
(async () => {
  try {
    await client.connect();
    console.log((await client.mailboxOpen("INBOX")).exists, "messages");
    await client.logout();
  } catch (e) {
    console.log(e.responseText, JSON.stringify(e.oauthError));
    process.exit(1);
  }
})();
