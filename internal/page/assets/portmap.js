"use strict";

// The port map: canvas, choices, cursor. The left of the canvas has the ports, its foot the time.
page.portMap = {
  left: 52, foot: 24, tall: 520,

  start() {
    const { data, el, ports, portMap: view } = page;
    const root = page.byId("map");
    if (!ports.maps.length) {
      root.append(el("p", {}, "No port was held."));
      return;
    }
    view.options = { map: 0, mode: "state", order: "number", scope: "range" };
    view.only = null;
    view.canvas = el("canvas", { tabindex: "0", role: "application", "aria-roledescription": "port map", "aria-describedby": "map-help map-says",
      "aria-label": "Ports against time. Arrow keys move the cursor." });
    view.context = view.canvas.getContext("2d");
    view.tip = el("div", { class: "tip", "aria-hidden": "true" });
    view.says = el("p", { id: "map-says", class: "hidden", "aria-live": "polite" });
    view.legend = el("div", { class: "legend", role: "group", "aria-label": "Legend: show only one" });
    view.note = el("p", { class: "told" });
    root.append(view.choices(), view.legend, el("div", { class: "canvas" }, view.canvas, view.tip), view.says, view.note,
      el("p", { class: "told", id: "map-help" }, "Drag to zoom, double click or 0 to see all. Click for a port's timeline. "
        + "Keys: arrows move the cursor (with Shift, further), + and − zoom at it, Enter opens the port."));
    view.listen();
    page.theme.listeners.push(view.redraw);
    new ResizeObserver(view.redraw).observe(view.canvas.parentElement);
    view.reset();
  },

  choices() {
    const { ports, el, portMap: view } = page;
    const choice = (label, name, options) => {
      const { element, select } = page.select(label, options, (value) => view.choose(name, value));
      if (name === "scope") view.scope = select;
      return element;
    };
    const tools = el("div", { class: "tools" });
    if (ports.maps.length > 1) tools.append(choice("Ports of", "map", ports.maps.map((m, i) => [i, ports.spaceName(m)])));
    tools.append(
      choice("Colour", "mode", [["state", "by state"], ["owner", "by owner"]]),
      choice("Order", "order", [["number", "by number"], ["parity", "even, then odd"]]),
      choice("Rows", "scope", [["range", "the whole range"], ["held", "held ports only"]]),
      el("button", { type: "button", onclick: () => view.zoom(0.5) }, "Zoom in"),
      el("button", { type: "button", onclick: () => view.zoom(2) }, "Zoom out"),
      el("button", { type: "button", onclick: () => view.reset() }, "Show all"));
    return tools;
  },

  choose(name, value) {
    const { portMap: view } = page;
    view.options[name] = name === "map" ? Number(value) : value;
    if (name === "mode") view.only = null;
    if (name === "mode") view.redraw();
    else view.reset();
  },

  // reset shows all of a map.
  reset() {
    const { ports, data, format, portMap: view } = page;
    const map = view.map = ports.maps[view.options.map];
    if (view.seen !== map) { // few ports among very many would hardly be seen
      view.seen = map;
      view.options.scope = map.lo && map.rows > (map.hi - map.lo) / 50 ? "range" : "held";
      view.scope.value = view.options.scope;
    }
    view.order = ports.order(map, view.options);
    view.window = { row0: 0, row1: view.order.length, bin0: 0, bin1: map.bins };
    view.cursor = null;
    const notes = [`${format.plural(map.rows, "port was", "ports were")} held, ${format.plural(map.holds, "time", "times")}`];
    if (map.lo) notes.push(`range ${map.lo} to ${map.hi}, ${format.count(map.usable)} usable` + (map.reserved ? `, reserved ${map.reserved}` : ""));
    notes.push(`a bin is ${format.duration(data.time.width * map.per_bin)}, and shows what had most of it`);
    if (data.maps_more) notes.push(`${format.plural(data.maps_more, "smaller namespace is", "smaller namespaces are")} left out`);
    if (data.unmapped) notes.push(`${format.plural(data.unmapped, "hold", "holds")} found no room on the maps`);
    view.note.textContent = notes.join("; ") + ".";
    view.redraw();
  },

  redraw() {
    const { portMap: view, portDraw } = page;
    if (!view.map) return;
    const scale = devicePixelRatio || 1;
    const width = view.width = Math.max(200, view.canvas.parentElement.clientWidth);
    view.canvas.width = Math.round(width * scale);
    view.canvas.height = Math.round(view.tall * scale);
    view.inner = { width: width - view.left, height: view.tall - view.foot };
    const image = portDraw.image(view.map, view.order, view.window, view.options.mode, view.only,
      Math.round(view.inner.width * scale), Math.round(view.inner.height * scale));
    view.base = document.createElement("canvas");
    view.base.width = view.canvas.width;
    view.base.height = view.canvas.height;
    const context = view.base.getContext("2d");
    context.putImageData(image, Math.round(view.left * scale), 0);
    context.scale(scale, scale);
    view.axes(context);
    view.drawLegend();
    view.overlay();
  },

  axes(context) {
    const { portMap: view, format, theme } = page;
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = theme.css("--ink");
    context.textBaseline = "middle";
    context.textAlign = "right";
    const { row0, row1, bin0, bin1 } = view.window;
    const rows = row1 - row0, lines = Math.max(1, Math.min(12, rows));
    for (let i = 0; i < lines; i++) {
      const row = row0 + Math.floor(((i + (rows <= 12 ? 0.5 : 0)) * rows) / lines);
      const y = ((row - row0 + (rows <= 12 ? 0.5 : 0)) / rows) * view.inner.height;
      context.fillText(view.order[Math.min(row, row1 - 1)], view.left - 6, Math.max(8, y));
    }
    context.textBaseline = "alphabetic";
    const step = view.binWidth() * (bin1 - bin0);
    const marks = Math.max(2, Math.floor(view.inner.width / 120));
    for (let i = 0; i <= marks; i++) {
      const x = view.left + (i / marks) * view.inner.width;
      context.textAlign = i === 0 ? "left" : i === marks ? "right" : "center";
      context.fillText(format.time(view.timeOf(bin0) + (step * i) / marks, step / marks), x, view.tall - 7);
    }
  },

  binWidth: () => page.data.time.width * page.portMap.map.per_bin,
  timeOf: (bin) => page.data.time.origin + bin * page.portMap.binWidth(),

  // drawLegend lists the states or owners that are on the map; a click shows only one.
  drawLegend() {
    const { portMap: view, theme, data, el, ports } = page;
    const { map, options: { mode } } = view;
    const seen = new Set();
    for (let i = 0; i < map.cells.length; i++) {
      if (map.cells[i] !== 0) seen.add(mode === "state" ? map.cells[i] >> 4 : map.owners[i]);
    }
    const all = [...seen].sort((x, y) => x - y);
    const entries = mode === "state" ? all : all.slice(0, theme.owners.length);
    view.legend.replaceChildren(...entries.map((i) => {
      const swatch = el("span", { class: "swatch" });
      swatch.style.background = mode === "state" ? theme.states[i] : theme.owner(i);
      return el("button", { type: "button", "aria-pressed": String(view.only === i), onclick: () => {
        view.only = view.only === i ? null : i;
        view.redraw();
        view.legend.querySelectorAll("button")[entries.indexOf(i)].focus();
      } }, swatch, mode === "state" ? data.state_names[i] : ports.ownerName(i));
    }));
    if (all.length > entries.length) view.legend.append(el("span", { class: "told" }, `grey: ${all.length - entries.length} more`));
  },

  // overlay draws the map with the cursor, and the part being dragged over.
  overlay() {
    const { portMap: view, theme } = page;
    const { context, inner, window: win, cursor, drag } = view;
    const scale = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, view.canvas.width, view.canvas.height);
    context.drawImage(view.base, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.strokeStyle = theme.css("--ink");
    context.lineWidth = 1;
    if (cursor) {
      const x = view.left + ((cursor.bin - win.bin0 + 0.5) / (win.bin1 - win.bin0)) * inner.width;
      const y = ((cursor.row - win.row0 + 0.5) / (win.row1 - win.row0)) * inner.height;
      context.beginPath();
      context.moveTo(view.left, y);
      context.lineTo(view.left + inner.width, y);
      context.moveTo(x, 0);
      context.lineTo(x, inner.height);
      context.setLineDash([3, 3]);
      context.stroke();
      context.setLineDash([]);
    }
    if (drag?.moved) {
      context.fillStyle = "rgba(110, 150, 220, 0.3)";
      context.fillRect(drag.x0, drag.y0, drag.x1 - drag.x0, drag.y1 - drag.y0);
      context.strokeRect(drag.x0, drag.y0, drag.x1 - drag.x0, drag.y1 - drag.y0);
    }
  },

  // zoom keeps the cursor, or else the middle, in place.
  zoom(factor) {
    const { portMap: view } = page;
    const { row0, row1, bin0, bin1 } = view.window;
    const middle = view.cursor ?? { row: (row0 + row1) >> 1, bin: (bin0 + bin1) >> 1 };
    const side = (at, from, to, all, least) => {
      const length = Math.min(all, Math.max(least, Math.round((to - from) * factor)));
      const begin = Math.max(0, Math.min(all - length, Math.round(at - (at - from) * (length / (to - from)))));
      return [begin, begin + length];
    };
    [view.window.row0, view.window.row1] = side(middle.row, row0, row1, view.order.length, Math.min(4, view.order.length));
    [view.window.bin0, view.window.bin1] = side(middle.bin, bin0, bin1, view.map.bins, Math.min(8, view.map.bins));
    view.redraw();
  },
};
