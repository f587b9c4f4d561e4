// The list of uploads, and the area that files are dropped on.
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { ApiError, Unreachable, thumbnail } from './api.js';
import { cancel, cancelAll, clearFinished, isActive, retry, summary, uploads } from './uploads.js';
import { addDropped, addFiles, choose, hasFiles } from './files.js';
import { go } from './route.js';
import { explain } from './errors.js';
import { isTyping, useDismiss } from './focus.js';
import { bytes, number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const ROW = 64;
const SHOWN = 5;

export function UploadPanel() {
  useLanguage();
  const state = useStore(uploads);
  const [isSmall, setSmall] = useState(false);
  if (!state.isOpen) return null;
  const { total, active, done, failed, progress } = summary(state);
  const failures = state.items.filter((item) => item.state === 'failed');
  const title = active ? t('upload.progress', { n: total, done: number(done) })
    : failed ? t('upload.failed', { n: failed, done: number(done) }) : t('upload.done', { n: done });
  return html`
    <section class=${`uploads${isSmall ? ' small' : ''}`} aria-label=${t('upload.title')}>
      <header>
        <span class=${`upload-state ${active ? 'busy' : failed ? 'bad' : 'good'}`} aria-hidden="true">
          <${Icon} name=${active ? 'upload' : failed ? 'warning' : 'check'} size=${18} /></span>
        <h2 class="grow ellipsis"><span role="status">${title}</span></h2>
        <button class=${`round small fold${isSmall ? ' up' : ''}`} aria-expanded=${isSmall ? 'false' : 'true'} aria-label=${t('upload.fold')}
          onClick=${() => setSmall(!isSmall)}><${Icon} name="down" size=${18} /></button>
        <button class="round small" aria-label=${active ? t('upload.cancel-all') : t('close')} title=${active ? t('upload.cancel-all') : t('close')}
          onClick=${() => (active ? cancelAll() : clearFinished())}><${Icon} name="close" size=${18} /></button>
      </header>
      ${active > 0 && html`<progress max="1" value=${total ? progress / total : 0} aria-label=${title}></progress>`}
      ${!isSmall && html`
        ${state.left > 0 && html`<p class="uploads-note">${t('upload.left-out', { n: state.left })}</p>`}
        ${failures.length > 1 && !active && html`
          <p class="uploads-note"><button class="link strong" onClick=${() => retry(failures.map(({ id }) => id))}>${t('upload.retry-all')}</button></p>`}
        <${List} items=${active ? state.items : [...failures, ...state.items.filter((item) => item.state !== 'failed')]} />`}
    </section>`;
}

// Only the visible rows are in the document: a folder may have thousands of files.
function List({ items }) {
  const element = useRef();
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / ROW) - 2);
  const visible = items.slice(first, first + SHOWN + 6);
  return html`
    <div class="uploads-list" ref=${element} tabIndex="0" role="group" aria-label=${t('upload.files')} onScroll=${() => setTop(element.current.scrollTop)}>
      <ul style=${{ height: `${items.length * ROW}px` }}>
        ${visible.map((item, at) => html`<${Row} key=${item.id} item=${item} top=${(first + at) * ROW} />`)}
      </ul>
    </div>`;
}

function Row({ item, top }) {
  const { id, name, size, state, sent, image, error } = item;
  return html`
    <li class=${`upload ${state}`} style=${{ transform: `translateY(${top}px)`, height: `${ROW}px` }}>
      ${image
        ? html`<button class="upload-picture" aria-label=${t('upload.open', { name })} onClick=${() => go({ view: 'photos', image: image.id })}>
            <img src=${thumbnail(image.id, 128)} alt="" loading="lazy" /></button>`
        : html`<span class="upload-picture" aria-hidden="true"><${Icon} name=${state === 'failed' ? 'warning' : 'photos'} /></span>`}
      <span class="upload-text">
        <span class="ellipsis" title=${name}>${name}</span>
        <span class="upload-what">${describe(item)}</span>
        ${state === 'sending' && html`<progress max="1" value=${sent} aria-label=${name}></progress>`}
        ${state === 'tagging' && html`<progress aria-label=${t('upload.tagging')}></progress>`}
      </span>
      ${state === 'failed' && canRetry(error) && html`
        <button class="round small" aria-label=${t('upload.retry', { name })} title=${t('retry')} onClick=${() => retry([id])}><${Icon} name="retag" size=${18} /></button>`}
      ${state === 'waiting' && size > 0 && html`<span class="dim">${bytes(size)}</span>`}
      ${isActive(state) && html`
        <button class="round small" aria-label=${t('upload.cancel', { name })} title=${t('cancel')} onClick=${() => cancel(id)}><${Icon} name="close" size=${16} /></button>`}
    </li>`;
}

// What is wrong with the file itself stays wrong.
const canRetry = (error) => !(error instanceof ApiError) || ![400, 413, 415, 422].includes(error.status);

function describe({ state, error, image, sent, size, until }) {
  if (state === 'failed') {
    const text = error instanceof Unreachable ? t('error.broken') : explain(error);
    return html`<span class="error-text" title=${text}>${text}</span>`;
  }
  if (state === 'done') {
    return image.tags.length ? image.tags.slice(0, 3).map(({ tag }) => html`<span class="mini">${tag}</span>`) : t('upload.untagged');
  }
  if (state === 'sending') return `${bytes(size * sent)} / ${bytes(size)}`;
  if (state === 'paused') return until ? html`<${Countdown} until=${until} />` : t('upload.offline');
  return t(`upload.${state}`);
}

function Countdown({ until }) {
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, []);
  return t('upload.paused', { n: Math.max(0, Math.ceil((until - Date.now()) / 1000)) });
}

// --- ways in -----------------------------------------------------------------------------------------------------

// A button that opens the ways in as a menu. `button` makes it, from its attributes.
function UploadMenu({ button, isUp }) {
  const [isOpen, setOpen] = useState(false);
  const element = useRef();
  const close = () => setOpen(false);
  useDismiss(element, isOpen, close);
  useLayoutEffect(() => { if (isOpen) element.current.querySelector('[role=menuitem]').focus(); }, [isOpen]);
  const pick = (how) => () => {
    close();
    choose(how);
  };
  const onKey = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const all = [...element.current.querySelectorAll('[role=menuitem]')];
    event.preventDefault();
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
  };
  const isPhone = matchMedia('(pointer: coarse)').matches;
  return html`
    <span class="menu-place" ref=${element}>
      ${button({ 'aria-expanded': isOpen ? 'true' : 'false', 'aria-haspopup': 'menu', onClick: () => setOpen(!isOpen) })}
      ${isOpen && html`
        <div class=${`popover menu${isUp ? ' up' : ''}`} role="menu" aria-label=${t('upload.more')} onKeyDown=${onKey}>
          <button role="menuitem" onClick=${pick('files')}><${Icon} name="photos" />${t('upload.files-action')}</button>
          <button role="menuitem" onClick=${pick('folder')}><${Icon} name="folder" />${t('upload.folder')}</button>
          ${isPhone && html`<button role="menuitem" onClick=${pick('camera')}><${Icon} name="camera" />${t('upload.camera')}</button>`}
        </div>`}
    </span>`;
}

export function UploadButton() {
  useLanguage();
  const more = (attributes) => html`
    <button class="button accent more" aria-label=${t('upload.more')} ...${attributes}><${Icon} name="down" size=${16} /></button>`;
  return html`
    <span class="split">
      <button class="button accent" onClick=${() => choose('files')}><${Icon} name="upload" size=${18} /><span class="label">${t('upload.action')}</span></button>
      <${UploadMenu} button=${more} />
    </span>`;
}

// On the phone, in the middle of the views.
export function UploadTab() {
  useLanguage();
  const plus = (attributes) => html`
    <button class="tab-upload" aria-label=${t('upload.action')} ...${attributes}><${Icon} name="plus" size=${24} /></button>`;
  return html`<${UploadMenu} button=${plus} isUp=${true} />`;
}

export function DropArea() {
  useLanguage();
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const on = (type, handle) => {
      addEventListener(type, handle);
      return () => removeEventListener(type, handle);
    };
    const stops = [
      on('dragenter', (event) => { if (hasFiles(event)) { depth += 1; setOver(true); } }),
      on('dragleave', (event) => { if (hasFiles(event) && (depth -= 1) <= 0) { depth = 0; setOver(false); } }),
      on('dragover', (event) => { if (hasFiles(event)) event.preventDefault(); }),
      on('drop', (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        depth = 0;
        setOver(false);
        addDropped(event.dataTransfer);
      }),
      on('paste', (event) => {
        const files = event.clipboardData?.files;
        if (files?.length && !(isTyping(event) && event.clipboardData.types.includes('text/plain'))) {
          event.preventDefault();
          addFiles(files);
        }
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);
  return isOver ? html`
    <div class="drop" aria-hidden="true"><div><${Icon} name="upload" size=${48} /><p>${t('upload.drop')}</p></div></div>` : null;
}
