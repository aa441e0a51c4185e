// Applies the chosen theme before the page is drawn.
(() => {
  "use strict";
  let theme = "system";
  try {
    theme = localStorage.getItem("fcplug-theme") || "system";
  } catch {
    // storage is forbidden: the system's theme it is
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
