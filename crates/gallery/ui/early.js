// Runs before the first paint, so that a chosen theme or language does not flash.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem('etiqueta.theme');
    if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
    const language = localStorage.getItem('etiqueta.language') || navigator.language;
    root.lang = /^es\b/i.test(language) ? 'es' : 'en';
  } catch {
    // Storage is blocked: the defaults stay.
  }
})();
