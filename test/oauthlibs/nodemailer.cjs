// Sends a letter by nodemailer, with an access token, or with a refresh token and
// the address that it fetches access tokens at: port, person, token, address.
const nodemailer = require("/opt/portreeve-test/nodemailer-7.0.11/node_modules/nodemailer");
const [port, user, token, accessUrl] = process.argv.slice(2);
const auth = { type: "OAuth2", user, ...(accessUrl ? { clientId: "portreeve-mail", refreshToken: token, accessUrl } : { accessToken: token }) };
const out = nodemailer.createTransport({ host: "localhost", port: Number(port), secure: true, auth });
out.sendMail({ from: user, to: user, subject: "from nodemailer", text: "hello" }).then(
  sent => console.log(sent.response),
  e => {
    console.log(e.message);
    process.exitCode = 1;
  },
);
