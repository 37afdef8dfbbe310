/* Dots as pixels. Thousands of them drawn as paths or pictures take a browser without a graphics card most of a second;
 * added up in an array, and put on the canvas at once, they take a few milliseconds.
 */

/**
 * Returns a colour of the stylesheet as red, green, blue and alpha, 0 to 255.
 * @param {string} colour
 */
export function rgbaOf(colour) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  if (!context) throw new TypeError("This browser has no canvas.");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

/** Paints dots into a box of a canvas, on a cleared canvas. Where several lie on each other they add up.
 *
 * `xs`, `ys` are the middles of all dots in pixels of the canvas, `dots` those to paint (all without), `radius` theirs.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {{ xs: Float32Array, ys: Float32Array, dots?: number[] | null, radius: number, rgba: Uint8ClampedArray, alpha?: number }} dots
 */
export function paintDots(context, box, { xs, ys, dots = null, radius, rgba, alpha = 1 }) {
  const [width, height] = [Math.ceil(box.width), Math.ceil(box.height)];
  const [left, top] = [Math.floor(box.left), Math.floor(box.top)];
  const covered = new Float32Array(width * height);
  const strength = (alpha * rgba[3]) / 255;
  const reach = Math.ceil(radius + 0.5);
  const n = dots ? dots.length : xs.length;
  for (let at = 0; at < n; at++) {
    const dot = dots ? dots[at] : at;
    const x = xs[dot] - left - 0.5;
    const y = ys[dot] - top - 0.5;
    const [x0, x1] = [Math.max(0, Math.round(x) - reach), Math.min(width - 1, Math.round(x) + reach)];
    const [y0, y1] = [Math.max(0, Math.round(y) - reach), Math.min(height - 1, Math.round(y) + reach)];
    for (let row = y0; row <= y1; row++) {
      for (let column = x0; column <= x1; column++) {
        const inside = radius + 0.5 - Math.sqrt((column - x) ** 2 + (row - y) ** 2);
        if (inside <= 0) continue;
        const pixel = row * width + column;
        covered[pixel] += (1 - covered[pixel]) * Math.min(inside, 1) * strength;
      }
    }
  }
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  // Bytes of a pixel are red, green, blue, alpha in memory, which every machine with a browser reads low byte first.
  const colour = rgba[0] | (rgba[1] << 8) | (rgba[2] << 16);
  for (let pixel = 0; pixel < covered.length; pixel++) {
    if (covered[pixel] > 0) pixels[pixel] = (colour | (Math.round(covered[pixel] * 255) << 24)) >>> 0;
  }
  context.putImageData(image, left, top);
}
