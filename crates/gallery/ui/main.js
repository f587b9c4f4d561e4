// The page: what is where, and which view is shown.
import { html, render, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { ApiError, discover, server } from './api.js';
import { follow, go, route, urlOf } from './route.js';
import { isQueryFault, isSearch, load, photos, refresh, searchKey, shown, totalShown } from './photos.js';
import { clearSelection, selection } from './many.js';
import { undoLast } from './deletions.js';
import { Grid, focusImage } from './grid.js';
import { Viewer } from './viewer.js';
import { Examples, Search } from './search.js';
import { TagsView } from './tags.js';
import { SettingsView, SignInDialog } from './settings.js';
import { SelectionBar, deleteSelected, selectLoaded } from './selectionbar.js';
import { JobCards, JobsBadge, JobsView } from './jobsview.js';
import { loadJobs } from './jobs.js';
import { DropArea, UploadButton, UploadPanel, UploadTab } from './uploadpanel.js';
import { choose } from './files.js';
import { retryRefused } from './uploads.js';
import { Dialog } from './dialog.js';
import { Notices } from './notices.js';
import { explain } from './errors.js';
import { isTyping } from './focus.js';
import { preferences } from './preferences.js';
import { loadLanguage, number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

function App() {
  useLanguage();
  const state = useStore(route);
  const { ids } = useStore(selection);
  const { online, needsKey } = useStore(server);
  const [isHelping, setHelping] = useState(false);
  useTitle(state);
  useLists(state);
  useSessions();
  useKeys(() => setHelping(true));
  const main = useRef();
  const isCovered = Boolean(state.image);
  // Attributes alone make what is behind the viewer unreachable for keys and screen readers.
  const lastImage = useRef('');
  useLayoutEffect(() => {
    main.current.inert = isCovered;
    document.documentElement.classList.toggle('covered', isCovered);
    if (!isCovered && lastImage.current) focusImage(lastImage.current);
  }, [isCovered]);
  if (state.image) lastImage.current = state.image;
  return html`
    <div ref=${main} class=${ids.size ? 'shell selecting' : 'shell'}>
      <a class="skip" href="#main">${t('skip')}</a>
      <${Header} view=${state.view} />
      ${!online && html`<div class="offline" role="alert"><${Icon} name="offline" size=${18} />${t('offline')}</div>`}
      <${View} state=${state} isCovered=${isCovered} />
      <${Navigation} view=${state.view} isPhone=${true} />
    </div>
    ${isCovered && html`<${Viewer} id=${state.image} />`}
    ${ids.size > 0 && !isCovered && state.view === 'photos' && html`<${SelectionBar} />`}
    <${UploadPanel} />
    <${Notices}><${JobCards} /><//>
    <${DropArea} />
    ${needsKey && state.view !== 'settings' && html`<${SignInDialog} onClose=${() => server.set({ needsKey: false })} />`}
    ${isHelping && html`<${Help} onClose=${() => setHelping(false)} />`}`;
}

function View({ state, isCovered }) {
  switch (state.view) {
    case 'tags': return html`<${TagsView} />`;
    case 'jobs': return html`<${JobsView} />`;
    case 'settings': return html`<${SettingsView} />`;
    default: return html`<${PhotosView} state=${state} isCovered=${isCovered} />`;
  }
}

function Header({ view }) {
  return html`
    <header class="bar">
      <a class="brand" href=${urlOf({ view: 'photos', q: '', from: '', to: '', image: '', tag: '' })} aria-label="Etiqueta"
        onClick=${follow({ view: 'photos', q: '', from: '', to: '', image: '', tag: '' })}>
        <span class="mark"></span><span class="word">Etiqueta</span></a>
      <${Search} />
      <${Navigation} view=${view} />
      <${UploadButton} />
    </header>`;
}

function Navigation({ view, isPhone }) {
  const { features } = useStore(server);
  const link = (name, icon, extra) => html`
    <a href=${urlOf({ view: name, image: '', tag: '' })} aria-current=${view === name ? 'page' : undefined} title=${t(`nav.${name}`)}
      onClick=${follow({ view: name, image: '', tag: '' })}><${Icon} name=${icon} /><span>${t(`nav.${name}`)}</span>${extra}</a>`;
  return html`
    <nav class=${isPhone ? 'tabs' : 'links'} aria-label=${t(isPhone ? 'nav.label-phone' : 'nav.label')}>
      ${link('photos', 'photos')}${link('tags', 'tag')}
      ${isPhone && html`<${UploadTab} />`}
      ${features?.jobs && link('jobs', 'jobs', html`<${JobsBadge} />`)}
      ${link('settings', 'settings')}
    </nav>`;
}

function PhotosView({ state, isCovered }) {
  const list = useStore(photos);
  const { features } = useStore(server);
  const { hidden } = list;
  const total = totalShown();
  const isEmpty = list.status === 'ready' && shown().length === 0 && !list.next && hidden.size === 0;
  const fault = list.status === 'error' && !isQueryFault(list.error) ? list.error : null;
  return html`
    <main class="photos" id="main">
      <h1 class="hidden">${t('nav.photos')}</h1>
      ${!isEmpty && !list.error && html`
        <div class="photos-head">
          <span class="dim" role="status">${list.status === 'loading' ? '' : total !== null ? t('photos.count', { n: total }) : list.items.length ? t('photos.many', { value: number(list.items.length) }) : ''}</span>
          <span class="grow"></span>
          ${features?.taken && html`
            <div class="segments small" role="group" aria-label=${t('order.label')}>
              ${['registered', 'taken'].map((order) => html`
                <button key=${order} aria-pressed=${(state.order || 'registered') === order ? 'true' : 'false'}
                  onClick=${() => go({ order: order === 'taken' ? 'taken' : '' }, { replace: true })}>${t(`order.${order}`)}</button>`)}
            </div>`}
        </div>`}
      ${list.status === 'loading' && html`<${Skeleton} />`}
      ${fault && html`<${Failure} error=${fault} onRetry=${() => load(state)} />`}
      ${list.status === 'error' && isQueryFault(list.error) && html`<${Examples} />`}
      ${isEmpty && (isSearch(state) ? html`<${NoMatch} />` : html`<${Welcome} />`)}
      ${list.status !== 'loading' && !isEmpty && html`<${Grid} isCovered=${isCovered} />`}
      ${list.next && list.status === 'ready' && html`<p class="more dim" role="status">${t('photos.loading')}</p>`}
    </main>`;
}

// Something to look at for the moment in which nothing is known: no layout that would jump.
const Skeleton = () => html`
  <div class="skeleton" role="status"><span class="hidden">${t('photos.loading')}</span>
    ${[1.5, 0.75, 1.3, 1.5, 1, 1.8, 0.7, 1.4, 1.5, 1.2, 0.8, 1.6].map((ratio, index) => html`<span key=${index} style=${{ flexGrow: String(ratio), flexBasis: `${ratio * 10}rem` }}></span>`)}
  </div>`;

function Failure({ error, onRetry }) {
  const needsKey = error instanceof ApiError && error.status === 401;
  return html`
    <div class="empty" role="alert"><${Icon} name=${needsKey ? 'key' : 'warning'} size=${40} />
      <h2>${t(needsKey ? 'access.needed' : 'photos.failed')}</h2><p class="dim">${needsKey ? t('access.needed-hint') : explain(error)}</p>
      <button class="button accent" onClick=${onRetry}>${t(needsKey ? 'access.sign-in' : 'retry')}</button></div>`;
}

function NoMatch() {
  return html`
    <div class="empty"><${Icon} name="search" size=${40} /><h2>${t('photos.no-match')}</h2><p class="dim">${t('photos.no-match-hint')}</p>
      <button class="button quiet" onClick=${() => go({ q: '', from: '', to: '' })}>${t('search.clear')}</button></div>`;
}

function Welcome() {
  return html`
    <div class="welcome">
      <div class="fan" aria-hidden="true"><span></span><span></span><span></span></div>
      <h2>${t('welcome.title')}</h2>
      <p class="dim">${t('welcome.text')}</p>
      <div class="row">
        <button class="button accent large" onClick=${() => choose('files')}><${Icon} name="upload" />${t('welcome.choose')}</button>
        <button class="button quiet large wide-only" onClick=${() => choose('folder')}><${Icon} name="folder" />${t('upload.folder')}</button>
      </div>
    </div>`;
}

const KEYS = [
  ['/', 'help.search'], ['u', 'help.upload'], ['← ↑ ↓ →', 'help.move'], ['Enter', 'help.open'], ['x', 'help.select'], ['Shift + → ', 'help.extend'],
  ['Ctrl + A', 'help.all'], ['Del', 'help.delete'], ['z', 'help.undo'], ['i', 'help.details'], ['Esc', 'help.close'],
];

function Help({ onClose }) {
  return html`
    <${Dialog} title=${t('help.title')} onClose=${onClose}>
      <dl class="keys-help">${KEYS.map(([key, text]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${t(text)}</dd></div>`)}</dl>
    <//>`;
}

// --- what the page does beside being shown -----------------------------------------------------------------------

function useTitle({ view, q }) {
  useEffect(() => {
    const name = view === 'photos' ? q : t(`nav.${view}`);
    document.title = name ? `${name} · Etiqueta` : 'Etiqueta';
  });
}

function useLists(state) {
  const key = searchKey(state);
  const loaded = useRef(key);
  useEffect(() => {
    if (loaded.current === key) return;
    loaded.current = key;
    clearSelection();
    scrollTo(0, 0);
    load(state);
  }, [key]);
  useEffect(() => {
    let wasOnline = true;
    return server.subscribe(({ online }) => {
      if (online && !wasOnline) refresh();
      wasOnline = online;
    });
  }, []);
}

// Who logs in sees what the key allows; who logs out leaves nothing on the screen.
function useSessions() {
  const { sessions, signedIn } = useStore(server);
  useEffect(() => {
    if (!sessions) return;
    clearSelection();
    load(route.get());
    loadJobs();
    if (signedIn) retryRefused();
  }, [sessions]);
}

function useKeys(help) {
  useEffect(() => {
    const onKey = (event) => {
      if (isTyping(event) || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      const state = route.get();
      const control = event.ctrlKey || event.metaKey;
      const { ids } = selection.get();
      if (control && event.key === 'a' && state.view === 'photos' && !state.image && shown().length) selectLoaded();
      else if (control || event.altKey) return;
      else if (event.key === '/' && !state.image) document.querySelector('.search input[role=combobox]').focus();
      else if (event.key === 'u') choose('files');
      else if (event.key === '?') help();
      else if (event.key === 'z') { if (!undoLast()) return; }
      else if (event.key === 'Escape' && ids.size && !state.image) clearSelection();
      else if (event.key === 'Delete' && ids.size && !state.image && server.get().features?.jobs) deleteSelected();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

async function start() {
  // The list, the texts and the features are fetched side by side.
  load(route.get());
  discover().catch(() => {
    // The server is away: without it there is nothing to offer. Once it is back, the page learns what there is.
    const stop = server.subscribe(({ online, features }) => {
      if (online && !features) discover().then(stop, () => {});
    });
  });
  await loadLanguage();
  let { language } = preferences.get();
  preferences.subscribe((next) => {
    if (next.language !== language) {
      language = next.language;
      loadLanguage();
    }
  });
  const root = document.getElementById('app');
  root.replaceChildren();
  render(html`<${App} />`, root);
}

start();

