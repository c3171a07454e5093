// Asks the browser for a passkey, and puts the answer into the form that asked.
"use strict";
(() => {
	const form = document.querySelector("form[data-passkey]");
	if (!form) return;
	const note = (name) => {
		for (const p of document.querySelectorAll("[data-note]")) p.hidden = p.dataset.note !== name;
	};
	if (!window.PublicKeyCredential || !navigator.credentials) return note("unable");

	const bytes = (s) => {
		const raw = atob(s.replace(/-/g, "+").replace(/_/g, "/"));
		return Uint8Array.from(raw, (c) => c.charCodeAt(0)).buffer;
	};
	const text = (b) => {
		let s = "";
		for (const x of new Uint8Array(b)) s += String.fromCharCode(x);
		return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
	};
	const named = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));

	const asked = () => {
		const given = JSON.parse(form.dataset.options);
		const o = given.publicKey || given;
		o.challenge = bytes(o.challenge);
		if (o.user) o.user = { ...o.user, id: bytes(o.user.id) };
		if (o.allowCredentials) o.allowCredentials = named(o.allowCredentials);
		if (o.excludeCredentials) o.excludeCredentials = named(o.excludeCredentials);
		return { publicKey: o };
	};
	const answer = (c) => {
		const r = c.response;
		const a = { id: c.id, rawId: text(c.rawId), type: c.type, clientExtensionResults: c.getClientExtensionResults(), response: { clientDataJSON: text(r.clientDataJSON) } };
		if (c.authenticatorAttachment) a.authenticatorAttachment = c.authenticatorAttachment;
		if (r.attestationObject) {
			a.response.attestationObject = text(r.attestationObject);
			if (r.getTransports) a.response.transports = r.getTransports();
		} else {
			a.response.authenticatorData = text(r.authenticatorData);
			a.response.signature = text(r.signature);
			if (r.userHandle) a.response.userHandle = text(r.userHandle);
		}
		return JSON.stringify(a);
	};

	let busy = false;
	const ask = async () => {
		if (busy) return;
		busy = true;
		note("asking");
		try {
			const c = await navigator.credentials[form.dataset.passkey](asked());
			form.elements.response.value = answer(c);
			form.submit();
		} catch (e) {
			busy = false;
			note(e.name === "InvalidStateError" ? "known" : "failed");
		}
	};
	form.addEventListener("submit", (e) => {
		e.preventDefault();
		ask();
	});
	if (form.dataset.at === "now") ask();
})();
