// The first element that a selector finds, in shadow trees too, if it is shown
// and can be used.
const seek = (root, selector) => {
  for (const e of root.querySelectorAll(selector)) {
    if (!e.disabled && e.checkVisibility()) return e;
  }
  for (const e of root.querySelectorAll("*")) {
    const found = e.shadowRoot && seek(e.shadowRoot, selector);
    if (found) return found;
  }
  return null;
};
