// The justified rows of the grid, as plain numbers: sections of one day, or of several days that fit into one row.

const NARROWEST = 0.5;
const WIDEST = 3;
const LOOSEST = 1.5;

export function ratioOf(image) {
  const { width, height } = image;
  return width > 0 && height > 0 ? Math.min(WIDEST, Math.max(NARROWEST, width / height)) : 1.5;
}

// Lays images out. `days` gives each its heading. Result: rows from top to bottom, and the height of all.
// A row: `{ top, height, headings: [{ day, left, width, count }], tiles: [{ index, left, width }] }`; the headings lie
// in the strip of `metrics.heading` pixels above the row.
export function layOut(images, dayOf, metrics) {
  const rows = [];
  const state = { rows, top: 0, metrics };
  let packed = null;
  for (const group of groups(images, dayOf)) {
    const width = naturalWidth(images, group, metrics);
    if (packed && packed.used + metrics.between + Math.max(width, metrics.label) <= metrics.width) {
      pack(packed, images, group, width, metrics);
      continue;
    }
    packed = close(packed, state);
    if (width <= metrics.width * 0.8) {
      packed = { used: 0, parts: [] };
      pack(packed, images, group, width, metrics);
    } else {
      justify(images, group, state);
    }
  }
  close(packed, state);
  return { rows, height: state.top };
}

function groups(images, dayOf) {
  const found = [];
  for (let i = 0; i < images.length; i += 1) {
    const day = dayOf(images[i]);
    const last = found.at(-1);
    if (last && last.day === day) last.end = i + 1;
    else found.push({ day, start: i, end: i + 1 });
  }
  return found;
}

function naturalWidth(images, { start, end }, { row, gap }) {
  let width = -gap;
  for (let i = start; i < end; i += 1) width += ratioOf(images[i]) * row + gap;
  return width;
}

function pack(packed, images, group, natural, { between, label }) {
  const left = packed.parts.length ? packed.used + between : 0;
  packed.parts.push({ ...group, natural });
  packed.used = left + Math.max(natural, label);
  packed.images = images;
}

// A row of whole days: enlarged to reach the right edge, where that does not take much.
function close(packed, state) {
  if (!packed) return null;
  const { row, gap, heading, between, label, width } = state.metrics;
  const { parts, images } = packed;
  const natural = parts.reduce((sum, part) => sum + part.natural, 0);
  const room = (factor) => parts.reduce((sum, part) => sum + Math.max(part.natural * factor, label), between * (parts.length - 1));
  const wanted = (width - between * (parts.length - 1)) / natural;
  const factor = wanted <= LOOSEST && room(wanted) <= width + 0.5 ? wanted : 1;
  const tiles = [];
  const headings = [];
  let left = 0;
  for (const { day, start, end, natural: own } of parts) {
    const taken = Math.max(own * factor, label);
    headings.push({ day, left, width: taken, count: end - start });
    let x = left;
    for (let index = start; index < end; index += 1) {
      // The gaps are enlarged with the images, and taken back here.
      const tile = (ratioOf(images[index]) * row + gap) * factor - gap;
      tiles.push({ index, left: x, width: tile });
      x += tile + gap;
    }
    left += taken + between;
  }
  state.top += heading;
  state.rows.push({ top: state.top, height: row * factor, headings, tiles });
  state.top += row * factor + gap;
  return null;
}

// The rows of one day that fills more than a row.
function justify(images, { day, start, end }, state) {
  const { width, row, gap, heading } = state.metrics;
  let headings = [{ day, left: 0, width, count: end - start }];
  state.top += heading;
  let first = start;
  let sum = 0;
  for (let i = start; i < end; i += 1) {
    const ratio = ratioOf(images[i]);
    const count = i - first;
    // The image goes into the next row if this one is nearer to the wanted height without it.
    if (count > 0) {
      const without = (width - gap * (count - 1)) / sum;
      const with_ = (width - gap * count) / (sum + ratio);
      if (without <= row * LOOSEST && Math.abs(without - row) < Math.abs(with_ - row)) {
        put(images, first, i, without, headings, state);
        headings = [];
        first = i;
        sum = 0;
      }
    }
    sum += ratio;
  }
  const natural = (width - gap * (end - first - 1)) / sum;
  put(images, first, end, natural <= row * 1.15 ? natural : row, headings, state);
}

function put(images, first, end, height, headings, state) {
  const { gap } = state.metrics;
  const tiles = [];
  let left = 0;
  for (let index = first; index < end; index += 1) {
    const width = ratioOf(images[index]) * height;
    tiles.push({ index, left, width });
    left += width + gap;
  }
  state.rows.push({ top: state.top, height, headings, tiles });
  state.top += height + gap;
}

// The first row that ends below `y`.
export function rowAt(rows, y) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height < y) low = middle + 1;
    else high = middle;
  }
  return low;
}
