"use strict";

// A port's own timeline: the bins of the map, its single holds as far as the page has them,
// and what lay between.
page.onePort = {
  start() {
    const { el, ports, onePort } = page;
    const root = page.byId("port-view");
    if (!ports.maps.length) {
      root.append(el("p", {}, "No port was held."));
      return;
    }
    onePort.input = el("input", { type: "number", min: "1", max: "65535", required: true });
    const form = el("form", { class: "tools", onsubmit: (event) => {
      event.preventDefault();
      onePort.show(page.portMap.map, Number(onePort.input.value));
    } }, el("label", { class: "field" }, "Port ", onePort.input), el("button", {}, "Show"));
    onePort.out = el("div", { "aria-live": "polite" }, el("p", { class: "told" }, "Click on the map, or give a number."));
    root.append(form, onePort.out);
    page.theme.listeners.push(() => onePort.draw());
    new ResizeObserver(() => onePort.draw()).observe(onePort.out);
  },

  show(map, port, focus = false) {
    const { el, format, ports, data, onePort } = page;
    onePort.input.value = port;
    const holds = ports.holds[ports.maps.indexOf(map)].get(port) ?? [];
    onePort.shown = { map, port, holds };
    const inRange = map.lo && port >= map.lo && port <= map.hi;
    const about = `Port ${port}, ${ports.spaceName(map)}: ` + (map.lo ? (inRange ? "in the range" : "outside the range") : "range unknown") + ". ";
    const limit = data.holds.cut && holds.length >= data.holds.per_port
      ? `The latest ${format.plural(holds.length, "hold", "holds")}; what came before is in the strip only.`
      : map.rowOf[port] < 0 ? "It was never held." : `${format.plural(holds.length, "hold", "holds")}.`;
    onePort.strip = el("canvas", { class: "strip", role: "img", "aria-label": `Port ${port} over time; the table below has its holds` });
    onePort.out.replaceChildren(el("p", {}, about + limit), onePort.strip);
    if (holds.length) onePort.out.append(onePort.table(holds));
    onePort.draw();
    if (focus) page.byId("port").focus();
  },

  // open says of a hold without an end what is known: whether it was there when the recording
  // ended.
  open: (hold) => (hold.states[0][0] === page.data.state_names.length - 1 ? "end not seen" : "still held"),

  table(holds) {
    const { data, format, ports, onePort } = page;
    const rows = holds.map((hold, i) => {
      const before = i > 0 ? hold.from - (holds[i - 1].from + holds[i - 1].length) : null;
      return [
        hold.from, hold.length, before === null ? "" : Math.max(0, before), ports.ownerName(hold.owner), hold.pid || "unknown",
        data.path_names[hold.path] || "unknown", data.holds.destinations[hold.destination],
        hold.states.map(([state, ms]) => `${data.state_names[state]} ${format.duration(ms)}`).join(", "),
        hold.reason === 255 ? onePort.open(hold) : data.reasons[hold.reason] || "unknown",
      ];
    });
    return page.table({
      caption: "Holds", rows, sort: { by: 0, down: true },
      columns: [{ name: "from", kind: "instant" }, { name: "held for", kind: "duration" }, { name: "idle before", kind: "duration" }, { name: "owner", kind: "text" },
        { name: "pid", kind: "plain" }, { name: "path", kind: "text" }, { name: "destination", kind: "text" }, { name: "states", kind: "text" }, { name: "ended", kind: "text" }],
    });
  },

  // draw fills the strip: bins above, single holds below, in the colours of states.
  draw() {
    const { onePort, data, theme, ports } = page;
    if (!onePort.shown) return;
    const { map, port, holds } = onePort.shown;
    const canvas = onePort.strip, scale = devicePixelRatio || 1, height = 64;
    const width = onePort.out.clientWidth;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.fillStyle = theme.css("--well");
    context.fillRect(0, 0, width, 22);
    context.fillRect(0, 24, width, 22);
    const span = data.time.bins * data.time.width, binWidth = data.time.width * map.per_bin;
    const x = (ms) => Math.round((ms / span) * width * scale) / scale; // on whole pixels: no seams
    for (let bin = 0; bin < map.bins; bin++) {
      const cell = ports.at(map, port, bin);
      if (!cell) continue;
      context.globalAlpha = page.portDraw.weights[cell.cover];
      context.fillStyle = theme.states[cell.state];
      const left = x(bin * binWidth);
      context.fillRect(left, 0, Math.max(1, x((bin + 1) * binWidth) - left), 22);
    }
    context.globalAlpha = 1;
    for (const hold of holds) {
      let at = hold.from - data.time.origin;
      for (const [state, ms] of hold.states) {
        context.fillStyle = theme.states[state];
        context.fillRect(x(at), 24, Math.max(1, x(at + ms) - x(at)), 22);
        at += ms;
      }
    }
    onePort.marks(context, width, span);
  },

  marks(context, width, span) {
    const { theme, data, format } = page;
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = theme.css("--ink");
    const marks = Math.max(2, Math.floor(width / 140));
    for (let i = 0; i <= marks; i++) {
      context.textAlign = i === 0 ? "left" : i === marks ? "right" : "center";
      context.fillText(format.time(data.time.origin + (span * i) / marks, span / marks), (i / marks) * width, 61);
    }
  },
};
