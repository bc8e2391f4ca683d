"use strict";

// Drawing the port map: each pixel is the mean of the cells behind it.
page.portDraw = {
  // colours returns red, green and blue by state or owner. With only one chosen, the rest is
  // pale.
  colours(mode, only) {
    const { theme, data } = page;
    const list = mode === "state" ? theme.states : data.owners.map((_, rank) => theme.owner(rank));
    const pale = theme.rgb("#9aa3ad");
    return list.map((hex, i) => (only === null || only === i ? [...theme.rgb(hex), 1] : [...pale, 0.25]));
  },

  // weight by cover: what was held for a moment shows, and less than what was held long.
  weights: [0, 0.5, 0.8, 1],

  // say by state: TIME_WAIT covers everything else on a busy host, and where many ports share
  // a pixel a few that leak must still colour it.
  say: page.data.state_names.map((name) => (name === "TIME_WAIT" ? 0.15 : 1)),

  background: () => page.theme.css("--well").match(/[\d.]+/g).slice(0, 3).map(Number),

  // image paints a window of the map: rows of an order, from and to (not with) row and bin.
  image(map, order, win, mode, only, width, height) {
    const draw = page.portDraw;
    const colours = draw.colours(mode, only), back = draw.background();
    const image = new ImageData(width, height);
    const bins = win.bin1 - win.bin0, rows = win.row1 - win.row0;
    const line = new Float32Array(bins * 5); // sums of red, green, blue, of how much these count, and of cover
    const pixel = new Uint8ClampedArray(bins * 3);
    let painted = -1;
    for (let y = 0; y < height; y++) {
      const first = win.row0 + Math.floor((y * rows) / height);
      const last = Math.max(first + 1, win.row0 + Math.floor(((y + 1) * rows) / height));
      if (first !== painted || last > first + 1) {
        draw.sum(map, order, first, last, win, mode, colours, line);
        draw.blend(line, last - first, back, pixel);
        painted = first;
      }
      const out = image.data;
      for (let x = 0, at = y * width * 4; x < width; x++, at += 4) {
        const from = 3 * Math.floor((x * bins) / width);
        out[at] = pixel[from];
        out[at + 1] = pixel[from + 1];
        out[at + 2] = pixel[from + 2];
        out[at + 3] = 255;
      }
    }
    return image;
  },

  sum(map, order, first, last, win, mode, colours, line) {
    line.fill(0);
    const { weights, say } = page.portDraw;
    for (let i = first; i < last; i++) {
      const row = map.rowOf[order[i]];
      if (row < 0) continue;
      for (let bin = win.bin0, at = row * map.bins + win.bin0, to = 0; bin < win.bin1; bin++, at++, to += 5) {
        const cell = map.cells[at];
        if (cell === 0) continue;
        const colour = colours[mode === "state" ? cell >> 4 : map.owners[at]];
        const weight = weights[cell & 15] * colour[3];
        const tint = weight * say[cell >> 4];
        line[to] += colour[0] * tint;
        line[to + 1] += colour[1] * tint;
        line[to + 2] += colour[2] * tint;
        line[to + 3] += tint;
        line[to + 4] += weight;
      }
    }
  },

  // blend lays the mean colour over the background. One port of fifty must still be seen, so
  // density is shown on a curve.
  blend(line, rows, back, pixel) {
    for (let from = 0, to = 0; from < line.length; from += 5, to += 3) {
      const tint = line[from + 3];
      const density = tint > 0 ? 0.15 + 0.85 * Math.pow(line[from + 4] / rows, 0.7) : 0;
      for (let k = 0; k < 3; k++) {
        pixel[to + k] = tint > 0 ? back[k] + (line[from + k] / tint - back[k]) * density : back[k];
      }
    }
  },
};
