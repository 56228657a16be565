// After a refused form the reader is taken to the summary of what is wrong, as a screen reader needs.
"use strict";
document.querySelector(".errors")?.focus();
