"use strict";
// Everything works without this script; with it some things are quicker.
(() => {
  const all = document.querySelector("[data-select-all]");
  if (all) {
    const boxes = [...document.querySelectorAll(".list input[type=checkbox]")];
    all.closest("label").hidden = false;
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    boxes.forEach((box) => box.addEventListener("change", () => {
      const count = boxes.filter((one) => one.checked).length;
      all.checked = count === boxes.length;
      all.indeterminate = count > 0 && count < boxes.length;
    }));
  }
})();
