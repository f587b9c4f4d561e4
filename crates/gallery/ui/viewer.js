// One image: the picture, its tags, what is known of it.
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { original, server, thumbnail } from './api.js';
import { go, route } from './route.js';
import { loadMore, photos, shown, totalShown } from './photos.js';
import { deleteLater } from './deletions.js';
import { isTyping, trapTab, useFocusWithin } from './focus.js';
import { nameOf } from './grid.js';
import { sizeFor } from './picture.js';
import { Details } from './details.js';
import { t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

// The images beside it are fetched before they are asked for.
const NEIGHBOURS = [1, -1];

export function closeViewer() {
  // "Back" is what came before, if that was this page; else the address is that of a link that was opened.
  if (history.state?.depth > 0) history.back();
  else go({ image: '' }, { replace: true });
}

export function Viewer({ id }) {
  useLanguage();
  useStore(photos);
  const { features } = useStore(server);
  const element = useRef();
  const images = shown();
  const index = images.findIndex((image) => image.id === id);
  const image = images[index] ?? null;
  const total = totalShown();
  const [isPlain, setPlain] = useState(() => matchMedia('(max-width: 899px)').matches ? false : readPlain());
  useFocusWithin(element);

  useEffect(() => {
    if (index >= 0 && index >= images.length - 3) loadMore();
  }, [index, images.length]);

  useEffect(() => {
    for (const by of NEIGHBOURS) {
      const beside = images[index + by];
      if (index >= 0 && beside) new Image().src = thumbnail(beside.id, stageSize(beside));
    }
  }, [id]);

  const step = useCallback((by) => {
    const list = shown();
    const at = list.findIndex((it) => it.id === route.get().image);
    const next = list[at + by];
    if (at >= 0 && next) go({ image: next.id }, { replace: true });
  }, []);
  const remove = () => {
    const next = images[index + 1] ?? images[index - 1];
    deleteLater([id]);
    if (next) go({ image: next.id }, { replace: true });
    else closeViewer();
  };
  const togglePanel = () => {
    setPlain(!isPlain);
    writePlain(!isPlain);
  };
  const onKey = (event) => {
    if (document.querySelector('dialog[open]')) return;
    trapTab(event, element.current);
    if (event.key === 'Escape' && !event.defaultPrevented) {
      event.preventDefault();
      closeViewer();
      return;
    }
    if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === 'ArrowRight') step(1);
    else if (event.key === 'ArrowLeft') step(-1);
    else if (event.key === 'Delete' && features?.remove) remove();
    else if (event.key === 'i') togglePanel();
    else return;
    event.preventDefault();
  };
  // On the document: the focus may be on something that has just gone.
  const latest = useRef();
  latest.current = onKey;
  useLayoutEffect(() => {
    const handle = (event) => latest.current(event);
    document.addEventListener('keydown', handle);
    return () => document.removeEventListener('keydown', handle);
  }, []);
  const name = image ? nameOf(image) : t('viewer.label');
  return html`
    <div class=${`viewer${isPlain ? ' plain' : ''}`} role="dialog" aria-modal="true" aria-label=${name} tabIndex="-1" ref=${element}>
      <${Stage} key=${id} id=${id} image=${image} onStep=${step} onClose=${closeViewer} />
      <div class="viewer-bar">
        <button class="round glass" aria-label=${t('viewer.close')} title=${t('viewer.close')} onClick=${closeViewer}><${Icon} name="close" /></button>
        <span class="grow"></span>
        ${index >= 0 && images.length > 1 && html`<span class="counter">${total ? t('viewer.position-of', { n: index + 1, total }) : t('viewer.position', { n: index + 1 })}</span>`}
        <a class="round glass" href=${original(id)} download=${image?.file_name ?? ''} aria-label=${t('viewer.download')} title=${t('viewer.download')}><${Icon} name="download" /></a>
        ${features?.remove && html`
          <button class="round glass" aria-label=${t('viewer.delete')} title=${t('viewer.delete')} onClick=${remove}><${Icon} name="trash" /></button>`}
        <button class="round glass wide-only" aria-pressed=${isPlain ? 'false' : 'true'} aria-label=${t('viewer.details')} title=${t('viewer.details')}
          onClick=${togglePanel}><${Icon} name="info" /></button>
      </div>
      ${index > 0 && html`
        <button class="round glass step previous" aria-label=${t('viewer.previous')} onClick=${() => step(-1)}><${Icon} name="left" size=${24} /></button>`}
      ${index >= 0 && index < images.length - 1 && html`
        <button class="round glass step next" aria-label=${t('viewer.next')} onClick=${() => step(1)}><${Icon} name="right" size=${24} /></button>`}
      <aside class="panel" aria-label=${t('viewer.details')}>
        <${Details} key=${id} id=${id} image=${image} />
      </aside>
    </div>`;
}

const PLAIN = 'etiqueta.plain';

function readPlain() {
  try {
    return localStorage.getItem(PLAIN) === '1';
  } catch {
    return false;
  }
}

function writePlain(value) {
  try {
    localStorage.setItem(PLAIN, value ? '1' : '0');
  } catch {
    // Storage is blocked: it holds until the page is left.
  }
}

function stageSize(image) {
  const longest = Math.max(image?.width ?? 4096, image?.height ?? 4096);
  const wanted = sizeFor(Math.min(innerWidth, longest), Math.min(innerHeight, longest));
  return Math.max(1024, wanted);
}

const SWIPE = 60;

function Stage({ id, image, onStep, onClose }) {
  const [isLoaded, setLoaded] = useState(false);
  const [isFailed, setFailed] = useState(false);
  const [zoom, setZoom] = useState(null);
  const { online } = useStore(server);
  const box = useRef();
  const gesture = useRef(null);
  const size = zoom ? 2048 : stageSize(image);
  const name = image ? nameOf(image) : t('viewer.label');
  const tags = image?.tags?.slice(0, 5).map(({ tag }) => tag).join(', ');

  useEffect(() => { if (online && isFailed) setFailed(false); }, [online]);
  useLayoutEffect(() => {
    if (!zoom || !box.current) return;
    box.current.scrollLeft = zoom.x * (box.current.scrollWidth - box.current.clientWidth);
    box.current.scrollTop = zoom.y * (box.current.scrollHeight - box.current.clientHeight);
  }, [zoom]);

  const begin = (event) => {
    if (event.pointerType === 'mouse' || zoom) return;
    gesture.current = { x: event.clientX, y: event.clientY, id: event.pointerId };
  };
  const move = (event) => {
    if (gesture.current?.id !== event.pointerId) return;
    const across = event.clientX - gesture.current.x;
    const picture = box.current.querySelector('.stage-picture');
    if (picture && Math.abs(across) > 8) picture.style.transform = `translateX(${across}px)`;
  };
  const end = (event) => {
    const from = gesture.current;
    gesture.current = null;
    const picture = box.current.querySelector('.stage-picture');
    if (picture) picture.style.transform = '';
    if (!from || event.type === 'pointercancel') return;
    const across = event.clientX - from.x;
    const down = event.clientY - from.y;
    if (Math.abs(across) > SWIPE && Math.abs(across) > Math.abs(down)) onStep(across < 0 ? 1 : -1);
    else if (down > SWIPE * 2 && Math.abs(down) > Math.abs(across) * 2) onClose();
  };
  const toggleZoom = (event) => {
    const bounds = event.currentTarget.getBoundingClientRect();
    setZoom(zoom ? null : { x: (event.clientX - bounds.left) / bounds.width, y: (event.clientY - bounds.top) / bounds.height });
  };
  const ratio = image?.width && image?.height ? image.width / image.height : null;
  return html`
    <div class=${`stage${zoom ? ' zoomed' : ''}`} ref=${box} onPointerDown=${begin} onPointerMove=${move} onPointerUp=${end} onPointerCancel=${end}>
      <div class="stage-picture" style=${ratio ? { '--ratio': String(ratio), '--width': `${image.width}px` } : {}} onDblClick=${toggleZoom}>
        ${!isLoaded && !isFailed && html`<img class="stage-small" src=${thumbnail(id, 256)} alt="" aria-hidden="true" />`}
        ${isFailed
          ? html`<div class="stage-failed"><${Icon} name="warning" size=${32} /><p>${t('viewer.failed')}</p>
              <button class="button" onClick=${() => setFailed(false)}>${t('retry')}</button></div>`
          : html`<img class="stage-large" src=${thumbnail(id, size)} alt=${tags ? `${name}: ${tags}` : name} draggable="false"
              onLoad=${() => setLoaded(true)} onError=${() => setFailed(true)} />`}
      </div>
    </div>`;
}
