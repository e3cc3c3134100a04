// In a question of a paper form, the first letter of Yes or No (in the page's language) answers it and goes on.
// Only while the focus is on that question (WCAG 2.2, 2.1.4); all else is done by the browser itself.
addEventListener("keydown", (event) => {
  const asked = event.target.closest?.("fieldset.ask");
  if (!asked || event.target.type !== "radio" || event.key.length > 1) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.key === " ") return;
  const letter = event.key.toLowerCase();
  for (const label of asked.querySelectorAll("label")) {
    const radio = label.querySelector("input");
    if (radio.value && label.textContent.trim()[0].toLowerCase() === letter) {
      event.preventDefault();
      radio.checked = true;
      const asks = [...document.querySelectorAll("fieldset.ask")];
      const next = asks[asks.indexOf(asked) + 1];
      const place = next ? next.querySelector("input:checked") || next.querySelector("input") : document.getElementById("name");
      place.focus();
    }
  }
});
