"use strict";

// Mouse, touch and keys on the port map.
Object.assign(page.portMap, {
  listen() {
    const { portMap: view } = page;
    const { canvas } = view;
    canvas.addEventListener("pointermove", view.moved);
    canvas.addEventListener("pointerdown", view.pressed);
    canvas.addEventListener("pointerup", view.released);
    canvas.addEventListener("pointercancel", () => { view.drag = null; view.overlay(); });
    canvas.addEventListener("pointerleave", () => { view.tip.style.display = "none"; });
    canvas.addEventListener("dblclick", () => view.reset());
    canvas.addEventListener("keydown", view.key);
  },

  // under returns the cell under a point of the canvas, null outside.
  under(x, y) {
    const { portMap: view } = page;
    const { row0, row1, bin0, bin1 } = view.window;
    const across = (x - view.left) / view.inner.width, down = y / view.inner.height;
    if (across < 0 || across >= 1 || down < 0 || down >= 1) return null;
    return { row: row0 + Math.floor(down * (row1 - row0)), bin: bin0 + Math.floor(across * (bin1 - bin0)) };
  },

  // tell says what a cell shows.
  tell({ row, bin }) {
    const { portMap: view, ports, data, format } = page;
    const port = view.order[row];
    const cell = ports.at(view.map, port, bin);
    const when = `${format.time(view.timeOf(bin), view.binWidth())}`;
    if (!cell) return [`port ${port}`, when, "free"];
    const part = ["", "a part of the time", "most of the time", "all of the time"][cell.cover];
    return [`port ${port}`, when, data.state_names[cell.state], ports.ownerName(cell.owner), part];
  },

  moved(event) {
    const { portMap: view, el } = page;
    if (view.drag) {
      view.drag.x1 = Math.min(Math.max(event.offsetX, view.left), view.width);
      view.drag.y1 = Math.min(Math.max(event.offsetY, 0), view.inner.height);
      view.drag.moved ||= Math.abs(view.drag.x1 - view.drag.x0) + Math.abs(view.drag.y1 - view.drag.y0) > 8;
      view.overlay();
    }
    const at = view.under(event.offsetX, event.offsetY);
    view.tip.style.display = at && !view.drag?.moved ? "block" : "none";
    if (!at) return;
    view.tip.replaceChildren(...view.tell(at).map((line) => el("div", {}, line)));
    const right = event.offsetX > view.width / 2;
    view.tip.style.left = right ? "auto" : `${event.offsetX + 14}px`;
    view.tip.style.right = right ? `${view.width - event.offsetX + 14}px` : "auto";
    view.tip.style.top = `${Math.min(event.offsetY + 10, view.tall - 120)}px`;
  },

  pressed(event) {
    const { portMap: view } = page;
    if (event.button !== 0 || !view.under(event.offsetX, event.offsetY)) return;
    view.canvas.setPointerCapture(event.pointerId);
    view.drag = { x0: event.offsetX, y0: event.offsetY, x1: event.offsetX, y1: event.offsetY, moved: false };
  },

  released(event) {
    const { portMap: view } = page;
    const { drag } = view;
    view.drag = null;
    if (!drag) return;
    if (!drag.moved) {
      view.cursor = view.under(event.offsetX, event.offsetY) ?? view.cursor;
      view.overlay();
      if (view.cursor) page.onePort.show(view.map, view.order[view.cursor.row]);
      return;
    }
    const inside = (x, y) => view.under(Math.min(x, view.width - 1), Math.min(y, view.inner.height - 1));
    const from = inside(Math.min(drag.x0, drag.x1), Math.min(drag.y0, drag.y1)), to = inside(Math.max(drag.x0, drag.x1), Math.max(drag.y0, drag.y1));
    view.window = { row0: from.row, row1: to.row + 1, bin0: from.bin, bin1: to.bin + 1 };
    view.cursor = null;
    view.redraw();
  },

  key(event) {
    const { portMap: view } = page;
    const far = event.shiftKey ? 10 : 1;
    const { row0, row1, bin0, bin1 } = view.window;
    const rows = Math.max(1, Math.round((row1 - row0) / view.inner.height)); // a pixel at least
    const moves = { ArrowUp: [-rows, 0], ArrowDown: [rows, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      const from = view.cursor ?? { row: (row0 + row1) >> 1, bin: (bin0 + bin1) >> 1 };
      view.cursor = {
        row: Math.min(row1 - 1, Math.max(row0, from.row + down * far)),
        bin: Math.min(bin1 - 1, Math.max(bin0, from.bin + right * far)),
      };
      view.overlay();
      view.says.textContent = view.tell(view.cursor).join(", ");
    } else if (event.key === "+" || event.key === "=") view.zoom(0.5);
    else if (event.key === "-") view.zoom(2);
    else if (event.key === "0") view.reset();
    else if (event.key === "Enter" && view.cursor) page.onePort.show(view.map, view.order[view.cursor.row], true);
    else return;
    event.preventDefault();
  },
});
