"use strict";

page.start = async function () {
  const { data, el, theme } = page;
  page.summary.start();
  theme.start();
  page.occupancy.start();
  page.states();
  const root = page.byId("tables");
  for (const [name, caption] of [["owners", data.by], ["destinations", "Destinations"], ["paths", "Paths"]]) {
    const table = data.tables[name];
    const by = table.columns.findIndex((column) => column.name === "port time");
    root.append(page.table({ caption, ...table, sort: { by, down: true } }));
  }
  if (typeof DecompressionStream === "undefined") {
    page.byId("map").append(el("p", { class: "notice bad" }, "This browser cannot unpack the port map (it has no DecompressionStream); a newer one can."));
  } else {
    await page.ports.load();
    page.portMap.start();
    page.onePort.start();
  }
  document.documentElement.dataset.ready = "true";
};

page.states = function () {
  const { data, format } = page;
  page.byId("states").append(page.table({
    caption: "States", sort: { by: 1, down: true },
    columns: [{ name: "state", kind: "text" }, { name: "share of port time", kind: "share" }, { name: "lifetimes with it", kind: "count" },
      { name: "half under", kind: "duration" }, { name: "90 % under", kind: "duration" }, { name: "99 % under", kind: "duration" }, { name: "longest", kind: "duration" }],
    rows: data.states.map((s) => [s.name, s.share, s.count, s.p50, s.p90, s.p99, s.max]),
  }));
};

page.start().catch((error) => {
  document.querySelector("main").prepend(page.el("p", { class: "notice bad", role: "alert" }, `This page could not be drawn to its end: ${error.message}`));
  throw error;
});
