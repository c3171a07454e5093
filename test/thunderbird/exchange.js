// An Exchange account, and the dialog of its settings in which somebody types
// where its tokens come from. Then the account looks for its folders.
const [user, host, typed] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const until = async (what, so) => {
  for (const end = Date.now() + 20000; Date.now() < end; await new Promise(r => setTimeout(r, 100))) {
    const value = so();
    if (value) return value;
  }
  throw new Error("waited for " + what);
};
const server = MailServices.accounts.createIncomingServer(user, host, "ews");
server.QueryInterface(Ci.IExchangeIncomingServer).exchangeUrl = `https://${host}/EWS/Exchange.asmx`;
server.authMethod = Ci.nsMsgAuthMethod.OAuth2;
server.socketType = Ci.nsMsgSocketType.SSL;
server.port = 443;
const identity = MailServices.accounts.createIdentity();
identity.email = user;
const account = MailServices.accounts.createAccount();
account.incomingServer = server;
account.addIdentity(identity);

const main = Services.wm.getMostRecentWindow("mail:3pane");
main.MsgAccountManager("am-server.xhtml", server);
const settings = await until("the settings", () => {
  const win = main.document.getElementById("tabmail").currentTabInfo.browser?.contentWindow;
  return win?.location.href == "about:accountsettings" && win;
});
const page = await until("the server's page", () => {
  const doc = settings.document.getElementById("contentFrame")?.contentDocument;
  return doc?.location?.href.includes("am-server.xhtml") && doc.getElementById("server.type")?.getAttribute("value") == "ews" && doc;
});
page.getElementById("server.ewsAdvancedButton").click();
const dialog = await until("the dialog", () => {
  const doc = settings.gSubDialog._topDialog?._frame?.contentDocument;
  // What is disabled at first was seen to by the dialog's own start.
  return doc?.readyState == "complete" && doc.getElementById("exchangeUrl")?.value && doc.getElementById("exchangeEndpointHost").disabled && doc;
});
dialog.getElementById("exchangeOverrideOAuthDetails").click();
for (const [id, text] of Object.entries(typed)) {
  const field = dialog.getElementById(id);
  await until(id + " to be open", () => !field.disabled);
  field.value = text;
}
dialog.querySelector("dialog").getButton("accept").click();
await until("the dialog to close", () => !settings.gSubDialog._topDialog);
main.document.getElementById("tabmail").closeTab(); // which keeps what was typed
await until("what was typed to be kept", () => server.exchangeOverrideOAuthDetails && server.exchangeEndpointHost == typed.exchangeEndpointHost);
setTimeout(() => server.performExpand(null)); // the answer does not wait for what it leads to
return true;
