"use strict";

// What all tables share. Columns have a kind: text, count, duration (ms), share, time, instant
// or plain (a number that is a name). A number that is not known is an empty text.
page.cells = {
  shown: {
    text: String, plain: String, count: page.format.count, duration: page.format.duration,
    share: page.format.share, time: page.format.moment, instant: (ms) => page.format.time(ms),
  },

  text: (kind, value) => (typeof value === "string" ? value : page.cells.shown[kind](value)),

  // searched is what a filter looks through: cells as they are and as they are shown.
  searched: (columns, row) => row.map((cell, i) => `${cell} ${page.cells.text(columns[i].kind, cell)}`).join("\n").toLowerCase(),

  compare(x, y) {
    if (typeof x === "number" && typeof y === "number") return x - y;
    return String(x).localeCompare(String(y), "en", { numeric: true });
  },

  cell(column, value) {
    const cell = page.el("td", { class: column.kind === "text" ? "" : "number" }, page.cells.text(column.kind, value));
    if (column.kind === "share") {
      const bar = page.el("span", { class: "bar" });
      bar.style.width = `${Math.min(100, 100 * value)}%`;
      cell.append(bar);
    }
    return cell;
  },
};

// table makes a table that sorts by its column heads and filters by a text. With pick, the
// first cell of a row is a button that chooses it; pick is told the row's number.
page.table = function ({ caption, columns, rows, more = 0, sort = null, pick = null }) {
  const { el, cells, format } = page;
  const state = { by: sort?.by ?? -1, down: sort?.down ?? true, filter: "", picked: pick ? rows[0] : null };
  const searched = new Map(rows.map((row) => [row, cells.searched(columns, row)]));
  const body = el("tbody");
  const told = el("p", { class: "told", role: "status" });
  const heads = columns.map((column, i) => el("th", { scope: "col", class: column.kind === "text" ? "" : "number" },
    el("button", { type: "button", onclick: () => sortBy(i) }, column.name)));
  const filter = el("input", { type: "search", oninput: () => { state.filter = filter.value.trim().toLowerCase(); draw(); } });

  function sortBy(i) {
    if (state.by === i) state.down = !state.down;
    else [state.by, state.down] = [i, columns[i].kind !== "text"];
    draw();
  }

  function draw() {
    const list = rows.filter((row) => searched.get(row).includes(state.filter));
    if (state.by >= 0) list.sort((x, y) => cells.compare(x[state.by], y[state.by]) * (state.down ? -1 : 1));
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== state.by ? "none" : state.down ? "descending" : "ascending"));
    body.replaceChildren(...list.map((row) => el("tr", { class: state.picked === row ? "picked" : false },
      ...columns.map((column, i) => (pick && i === 0 ? choice(row) : cells.cell(column, row[i]))))));
    const all = format.plural(rows.length, "row", "rows");
    told.textContent = (list.length === rows.length ? all : `${format.count(list.length)} of ${all}`)
      + (more ? `; ${format.plural(more, "lesser one is", "lesser ones are")} not on this page` : "");
  }

  function choice(row) {
    return el("th", { scope: "row" },
      el("button", { type: "button", class: "pick", "aria-pressed": String(state.picked === row), onclick: () => choose(row) }, String(row[0])));
  }

  function choose(row) {
    state.picked = row;
    draw();
    body.querySelector("[aria-pressed=true]")?.focus({ preventScroll: true });
    pick(rows.indexOf(row));
  }

  draw();
  return el("div", { class: "table" },
    el("div", { class: "tools" }, el("h3", {}, caption), rows.length > 5 ? el("label", { class: "field" }, "Filter ", filter) : "", told),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `${caption}, table` },
      el("table", {}, el("caption", { class: "hidden" }, caption), el("thead", {}, el("tr", {}, ...heads)), body)));
};
