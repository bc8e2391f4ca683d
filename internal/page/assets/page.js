"use strict";

// The one object that the page's scripts share.
const page = { data: JSON.parse(document.getElementById("data").textContent) };

// el makes an element. Texts, also those that came from a traced host, become text nodes:
// nothing on this page is ever parsed as markup (and the policy's trusted types forbid it).
page.el = function (tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
};

page.byId = (id) => document.getElementById(id);

// select makes a labelled choice.
page.select = function (label, options, onchange) {
  const select = page.el("select", { onchange: () => onchange(select.value) },
    ...options.map(([value, text]) => page.el("option", { value }, text)));
  return { element: page.el("label", { class: "field" }, label + " ", select), select };
};
