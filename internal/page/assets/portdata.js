"use strict";

// What the page has of ports: maps (cells by port and bin) and single holds.
page.ports = {
  async inflate(base64) {
    const text = atob(base64);
    const packed = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },

  // load unpacks the maps, as internal/page/pack.go lays them out.
  async load() {
    const { data, ports } = page;
    ports.maps = [];
    for (const m of data.maps) {
      const bytes = await ports.inflate(m.data);
      m.data = null;
      const cells = m.rows * m.bins;
      const list = new Uint16Array(m.rows);
      const view = new DataView(bytes.buffer);
      const rowOf = new Int32Array(65536).fill(-1);
      for (let row = 0; row < m.rows; row++) {
        list[row] = view.getUint16(2 * row, true);
        rowOf[list[row]] = row;
      }
      ports.maps.push({
        ...m, list, rowOf,
        cells: bytes.subarray(2 * m.rows, 2 * m.rows + cells),
        owners: bytes.subarray(2 * m.rows + cells),
      });
    }
    ports.holds = await ports.loadHolds();
  },

  // loadHolds returns the holds by map and port.
  async loadHolds() {
    const { data, ports } = page;
    const bytes = await ports.inflate(data.holds.data);
    data.holds.data = null;
    const view = new DataView(bytes.buffer);
    const byPort = ports.maps.map(() => new Map());
    let at = 0;
    for (let i = 0; i < data.holds.count; i++) {
      const hold = {
        port: view.getUint16(at, true), map: bytes[at + 2], owner: bytes[at + 3], path: bytes[at + 4], reason: bytes[at + 5],
        destination: view.getUint16(at + 6, true), pid: view.getUint32(at + 8, true),
        from: data.time.origin + view.getUint32(at + 12, true) * data.holds.unit, states: [], length: 0,
      };
      const mask = view.getUint16(at + 16, true);
      at += 18;
      if (mask === 0) {
        hold.length = view.getFloat32(at, true);
        hold.states.push([data.state_names.length - 1, hold.length]);
        at += 4;
      }
      for (let state = 0; mask >> state; state++) {
        if (!((mask >> state) & 1)) continue;
        const ms = view.getFloat32(at, true);
        hold.states.push([state, ms]);
        hold.length += ms;
        at += 4;
      }
      const ofMap = byPort[hold.map];
      if (!ofMap.has(hold.port)) ofMap.set(hold.port, []);
      ofMap.get(hold.port).push(hold);
    }
    for (const ofMap of byPort) for (const list of ofMap.values()) list.sort((x, y) => x.from - y.from);
    return byPort;
  },

  // order returns the ports from the top of the map to its foot.
  order(map, { scope, order }) {
    let list = map.list;
    if (scope === "range" && map.lo) {
      const outside = [...map.list].filter((port) => port < map.lo || port > map.hi);
      const range = Array.from({ length: map.hi - map.lo + 1 }, (_, i) => map.lo + i);
      list = outside.length ? [...range, ...outside].sort((x, y) => x - y) : range;
    }
    list = Uint16Array.from(list);
    if (order === "parity") list = Uint16Array.from([...list.filter((p) => p % 2 === 0), ...list.filter((p) => p % 2 === 1)]);
    return list;
  },

  // at tells of a cell: null where the port was free.
  at(map, port, bin) {
    const row = map.rowOf[port];
    const cell = row < 0 ? 0 : map.cells[row * map.bins + bin];
    if ((cell & 15) === 0) return null;
    return { state: cell >> 4, owner: map.owners[row * map.bins + bin], cover: cell & 15 };
  },

  ownerName(rank) {
    const owner = page.data.owners[rank];
    return owner.where ? `${owner.name} (${owner.where})` : owner.name;
  },

  spaceName: (map) => `${map.proto}, ${map.host ? map.host + ", " : ""}namespace ${map.netns}`,
};
