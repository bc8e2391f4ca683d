"use strict";

page.theme = {
  // colours by state, in the order of the states' numbers; the last is for unknown.
  states: ["#7f8c9b", "#a06f2c", "#c73ba5", "#2f86dd", "#de3b34", "#f08a86", "#63b8ad", "#12917f", "#9d7bd8", "#efa31d", "#a9a9a9"],
  owners: ["#2f86dd", "#efa31d", "#2ea35e", "#de3b34", "#9462dc", "#12a3ba", "#e27bb4", "#a06f2c", "#86b817", "#6a7bf0"],
  others: "#9aa3ad",
  listeners: [],

  owner: (rank) => page.theme.owners[rank] ?? page.theme.others,

  rgb: (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)),

  // css resolves one of the style sheet's variables for a canvas.
  css(name) {
    const probe = page.byId("theme");
    probe.style.outlineColor = `var(${name})`;
    const colour = getComputedStyle(probe).outlineColor;
    probe.style.outlineColor = "";
    return colour;
  },

  changed() {
    for (const listener of page.theme.listeners) listener();
  },

  set(choice) {
    const root = document.documentElement;
    if (choice === "auto") delete root.dataset.theme;
    else root.dataset.theme = choice;
    page.byId("theme").textContent = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" }[choice];
    page.theme.choice = choice;
    page.theme.changed();
  },

  start() {
    let choice = "auto";
    try {
      choice = localStorage.getItem("porttrace-theme") ?? "auto";
    } catch { /* a browser may refuse storage to files */ }
    page.theme.set(["light", "dark"].includes(choice) ? choice : "auto");
    page.byId("theme").addEventListener("click", () => {
      page.theme.set({ auto: "light", light: "dark", dark: "auto" }[page.theme.choice]);
      try {
        localStorage.setItem("porttrace-theme", page.theme.choice);
      } catch { /* then it lasts as long as the page */ }
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", page.theme.changed);
  },
};
