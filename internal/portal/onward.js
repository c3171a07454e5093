// Sends the one form of a page that leads back to a program.
"use strict";
(() => {
	const form = document.querySelector("form[data-onward]");
	if (form) form.submit();
})();
