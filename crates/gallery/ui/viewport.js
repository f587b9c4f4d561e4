// What is visible changes by scrolling and by another size of the window.

// Calls `update` now, and once a frame while what is visible changes. Returns what ends that.
export function onViewport(update) {
  let frame = null;
  const now = () => {
    frame = null;
    update();
  };
  const soon = () => { frame ??= requestAnimationFrame(now); };
  addEventListener('scroll', soon, { passive: true });
  addEventListener('resize', soon, { passive: true });
  now();
  return () => {
    removeEventListener('scroll', soon);
    removeEventListener('resize', soon);
    if (frame) cancelAnimationFrame(frame);
  };
}
