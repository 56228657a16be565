// F2 hides what is personal on the page from eyes at the desk, and shows it again; so do five minutes without a touch.
"use strict";
{
  const patience = 5 * 60 * 1000;
  const hide = (on) => document.body.classList.toggle("blank", on);
  let timer;
  const touched = () => { clearTimeout(timer); timer = setTimeout(() => hide(true), patience); };
  document.addEventListener("keydown", (event) => {
    touched();
    if (event.key !== "F2") return;
    event.preventDefault();
    hide(!document.body.classList.contains("blank"));
  });
  document.addEventListener("pointerdown", touched);
  touched();
}
