// A page within a window, which a person reads, types into and presses buttons
// of: the one in the sign-in window, or the pane of folders and mails. Marionette
// counts neither as a page, so its own agent there is spoken to.
const [place, act, selector, text] = arguments;
const [address, id] = {
  "sign-in": ["chrome://messenger/content/browserRequest.xhtml", "requestFrame"],
  pane: ["chrome://messenger/content/messenger.xhtml", "mail3PaneTabBrowser1"],
}[place];
const win = [...Services.wm.getEnumerator(null)].find(w => w.location.href == address);
const context = win?.document.getElementById(id)?.browsingContext;
const agent = context?.currentWindowGlobal?.getActor("MarionetteCommands");
if (!agent) return null;
if (place == "sign-in") {
  if (context.webProgress.isLoadingDocument) return null;
  win.focus(); // as somebody who clicks into it does
  win.document.getElementById(id).focus();
}
const ways = { toJSON: () => ({ "moz:accessibilityChecks": false, "moz:webdriverClick": true, strictFileInteractability: false }) };
const found = await agent.findElement("css selector", selector, { all: false, timeout: 0 });
switch (act) {
  case "type":
    await agent.clearElement(found);
    await agent.sendKeysToElement(found, text, ways);
    return "";
  case "press":
    await agent.clickElement(found, ways);
    return "";
  default:
    return agent.getElementText(found);
}
