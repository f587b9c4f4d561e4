// Draws landscapes, and cuts photos, as JPEGs in base64: the photos of the pictures in docs/.
(() => {
  const random = (seed) => () => {
    seed = (seed * 1664525 + 1013904223) % 4294967296;
    return seed / 4294967296;
  };

  const jpeg = (canvas) => canvas.toDataURL('image/jpeg', 0.9).split(',')[1];

  function canvasOf(width, height) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    return canvas;
  }

  const PALETTES = [
    ['#fde3c0', '#f7a072', '#c8553d', '#5a2a27'], ['#cfe8ff', '#7fb2d9', '#3f6c8f', '#16324a'], ['#f3e9ff', '#b79ce0', '#6d54a3', '#2a1e4d'],
    ['#e6f4ea', '#94c9a9', '#3f8f6b', '#12402f'], ['#fff3d6', '#f2c14e', '#d17a22', '#5b3413'], ['#dfe7ee', '#9fb3c4', '#596f83', '#222f3b'],
    ['#0d1b3e', '#1f3a6e', '#14264d', '#070f24'], ['#ffd9e0', '#f08ca0', '#a8416b', '#3d1533'],
  ];

  // Ranges of hills, one behind the other, below a sun or stars.
  function landscape(width, height, seed) {
    const next = random(seed * 7919 + 13);
    for (let i = 0; i < 5; i += 1) next();
    const canvas = canvasOf(width, height);
    const pen = canvas.getContext('2d');
    const [sky, low, middle, dark] = PALETTES[seed % PALETTES.length];
    const gradient = pen.createLinearGradient(0, 0, 0, height);
    gradient.addColorStop(0, sky);
    gradient.addColorStop(1, low);
    pen.fillStyle = gradient;
    pen.fillRect(0, 0, width, height);
    const isNight = seed % PALETTES.length === 6;
    if (isNight) {
      for (let i = 0; i < 260; i += 1) {
        pen.fillStyle = `rgb(255 255 255 / ${0.25 + next() * 0.7})`;
        const size = next() * 1.8 + 0.4;
        pen.fillRect(next() * width, next() * height * 0.7, size, size);
      }
    }
    const radius = height * (0.06 + next() * 0.06);
    const [x, y] = [width * (0.2 + next() * 0.6), height * (0.2 + next() * 0.22)];
    const glow = pen.createRadialGradient(x, y, radius * 0.5, x, y, radius * 5);
    glow.addColorStop(0, 'rgb(255 250 235 / .85)');
    glow.addColorStop(1, 'rgb(255 250 235 / 0)');
    pen.fillStyle = glow;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = '#fffaf0';
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
    const ranges = 5;
    for (let range = 0; range < ranges; range += 1) {
      const share = range / (ranges - 1);
      pen.fillStyle = `color-mix(in oklab, ${share < 0.5 ? low : middle} ${100 - (share % 0.5) * 200}%, ${share < 0.5 ? middle : dark})`;
      const base = height * (0.5 + share * 0.36);
      const waves = [1, 2, 4, 9, 21].map((often) => [often * (0.7 + next() * 0.6), next() * 7, (height * 0.11 * (1 - share * 0.45)) / often ** 0.85]);
      pen.beginPath();
      pen.moveTo(0, height);
      for (let at = 0; at <= width; at += 2) {
        const rise = waves.reduce((sum, [often, shift, high]) => sum + Math.sin((at / width) * often * 3 + shift) * high, 0);
        pen.lineTo(at, base - rise);
      }
      pen.lineTo(width, height);
      pen.fill();
    }
    return jpeg(canvas);
  }

  // The photos are small: enlarged, so that they fill a screen.
  const CUT_SIDE = 1500;

  // A part of a photo, given by shares of its sides.
  async function cut(base64, [left, top, width, height]) {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${base64}`;
    await image.decode();
    const scale = CUT_SIDE / Math.max(image.width * width, image.height * height);
    const canvas = canvasOf(Math.round(image.width * width * scale), Math.round(image.height * height * scale));
    const pen = canvas.getContext('2d');
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(image, -image.width * left * scale, -image.height * top * scale, image.width * scale, image.height * scale);
    return jpeg(canvas);
  }

  return { landscape, cut };
})()
