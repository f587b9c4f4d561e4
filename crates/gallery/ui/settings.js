// Settings of this browser, log-in, keys, taggers.
import { html, useEffect, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { ApiError, request, requestJson, server, signIn, signOut, whoAmI } from './api.js';
import { prefer, preferences } from './preferences.js';
import { LANGUAGES, formatDate, t, useLanguage } from './i18n.js';
import { Dialog } from './dialog.js';
import { notify, notifyError } from './notices.js';
import { explain } from './errors.js';
import { Icon } from './icons.js';

const MOST_LANGUAGES = 8;
const SCOPES = ['read', 'tag', 'upload', 'write', 'metrics', 'admin'];

export function SettingsView() {
  useLanguage();
  const { features, version, signedIn, isAdmin } = useStore(server);
  const [keys, setKeys] = useState(null);
  const reload = () => whoAmI().then(setKeys);
  useEffect(() => { reload(); }, [signedIn, isAdmin]);
  return html`
    <main class="page settings-page" id="main">
      <div class="page-head"><h1>${t('settings.title')}</h1></div>
      <${Appearance} />
      <${Access} isSignedIn=${signedIn} isAdmin=${isAdmin} onChange=${reload} />
      ${isAdmin && keys && html`<${Keys} keys=${keys} onChange=${reload} />`}
      <${Taggers} features=${features} />
      <section class="card about">
        <h2>${t('settings.about')}</h2>
        <p class="dim">Etiqueta ${version} · <a href="docs/">${t('settings.api')}</a></p>
      </section>
    </main>`;
}

function Choice({ name, label, options }) {
  const value = useStore(preferences)[name];
  return html`
    <div class="setting" role="radiogroup" aria-label=${label}>
      <span class="grow" aria-hidden="true">${label}</span>
      <span class="segments">
        ${options.map(([option, text]) => html`
          <label key=${option}><input type="radio" name=${name} checked=${value === option} onChange=${() => prefer(name, option)} /><span>${text}</span></label>`)}
      </span>
    </div>`;
}

function Appearance() {
  return html`
    <section class="card">
      <h2>${t('settings.appearance')}</h2>
      <${Choice} name="language" label=${t('settings.language')} options=${[['system', t('settings.system')], ...Object.entries(LANGUAGES)]} />
      <${Choice} name="theme" label=${t('settings.theme')} options=${['system', 'light', 'dark'].map((it) => [it, t(`settings.${it}`)])} />
      <${Choice} name="density" label=${t('settings.density')} options=${['small', 'medium', 'large'].map((it) => [it, t(`settings.${it}`)])} />
    </section>`;
}

function Access({ isSignedIn, isAdmin, onChange }) {
  const out = async () => {
    try {
      await signOut();
      notify({ text: t('access.signed-out') });
      onChange();
    } catch (error) {
      notifyError(explain(error));
    }
  };
  return html`
    <section class="card">
      <h2>${t('access.title')}</h2>
      ${isSignedIn
        ? html`<div class="setting"><span class="grow">${t(isAdmin ? 'access.admin' : 'access.signed-in')}</span>
            <button class="button quiet" onClick=${out}>${t('access.sign-out')}</button></div>`
        : html`<p class="dim">${t('access.hint')}</p><${SignIn} />`}
    </section>`;
}

export function SignIn() {
  const [key, setKey] = useState('');
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(key.trim());
      setKey('');
      notify({ text: t('access.welcome') });
    } catch (reason) {
      setError(reason instanceof ApiError && reason.status === 401 ? t('access.wrong') : explain(reason));
    } finally {
      setBusy(false);
    }
  };
  return html`
    <form class="sign-in" onSubmit=${submit}>
      <input class="hidden" type="text" name="username" value="etiqueta" autocomplete="username" tabIndex="-1" aria-hidden="true" readonly />
      <label class="field"><span>${t('access.key')}</span>
        <input type="password" name="key" autocomplete="current-password" required placeholder="etq_…" value=${key}
          aria-invalid=${error ? 'true' : undefined} onInput=${(event) => setKey(event.target.value)} /></label>
      <button class="button accent" disabled=${isBusy || !key.trim()}>${t('access.sign-in')}</button>
      ${error && html`<p class="error-text" role="alert">${error}</p>`}
    </form>`;
}

// Asked for when the server refuses something for want of a key.
export function SignInDialog({ onClose }) {
  useLanguage();
  return html`
    <${Dialog} title=${t('access.needed')} onClose=${onClose}>
      <p class="dim">${t('access.needed-hint')}</p>
      <${SignIn} />
    <//>`;
}

// --- keys --------------------------------------------------------------------------------------------------------

function Keys({ keys, onChange }) {
  const [isMaking, setMaking] = useState(false);
  const [revoking, setRevoking] = useState(null);
  const date = (text) => (text ? formatDate(text, { dateStyle: 'medium' }) : null);
  return html`
    <section class="card">
      <header class="card-head"><h2 class="grow">${t('keys.title')}</h2>
        <button class="button quiet" onClick=${() => setMaking(true)}><${Icon} name="plus" size=${18} />${t('keys.make')}</button></header>
      ${keys.length === 0 && html`<p class="dim">${t('keys.none')}</p>`}
      <ul class="keys">
        ${keys.map((key) => html`
          <li key=${key.id}>
            <${Icon} name="key" />
            <span class="grow">
              <span class="key-name ellipsis">${key.name}</span>
              <span class="dim small-text">${[
                key.scopes.join(', '), key.last_used ? t('keys.used', { date: date(key.last_used) }) : t('keys.unused'),
                key.expires && t('keys.expires', { date: date(key.expires) }),
              ].filter(Boolean).join(' · ')}</span>
            </span>
            <button class="button quiet small" aria-label=${t('keys.revoke-one', { name: key.name })} onClick=${() => setRevoking(key)}>${t('keys.revoke')}</button>
          </li>`)}
      </ul>
      ${isMaking && html`<${NewKey} onClose=${() => { setMaking(false); onChange(); }} />`}
      ${revoking && html`<${Revoke} apiKey=${revoking} onClose=${() => { setRevoking(null); onChange(); }} />`}
    </section>`;
}

function NewKey({ onClose }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(new Set(['read', 'upload']));
  const [expires, setExpires] = useState('');
  const [made, setMade] = useState(null);
  const [error, setError] = useState(null);
  const flip = (scope) => {
    const next = new Set(scopes);
    if (!next.delete(scope)) next.add(scope);
    setScopes(next);
  };
  const submit = async (event) => {
    event.preventDefault();
    setError(null);
    try {
      const json = { name: name.trim(), scopes: [...scopes], ...(expires && { expires }) };
      setMade((await requestJson('keys', { method: 'POST', json })).value);
    } catch (reason) {
      setError(explain(reason));
    }
  };
  if (made) {
    return html`
      <${Dialog} title=${t('keys.made', { name: made.name })} onClose=${onClose}>
        <p>${t('keys.once')}</p>
        <${Secret} text=${made.key} />
        <div class="dialog-foot"><button class="button accent" onClick=${onClose}>${t('done')}</button></div>
      <//>`;
  }
  return html`
    <${Dialog} title=${t('keys.make')} onClose=${onClose}>
      <form onSubmit=${submit}>
        <label class="field"><span>${t('keys.name')}</span>
          <input type="text" required maxlength="100" value=${name} placeholder=${t('keys.name-example')} onInput=${(event) => setName(event.target.value)} /></label>
        <fieldset class="scopes"><legend>${t('keys.scopes')}</legend>
          ${SCOPES.map((scope) => html`
            <label key=${scope}><input type="checkbox" checked=${scopes.has(scope)} onChange=${() => flip(scope)} />
              <span><strong>${scope}</strong> <span class="dim">${t(`scope.${scope}`)}</span></span></label>`)}
        </fieldset>
        <label class="field"><span>${t('keys.expiry')}</span>
          <input type="date" value=${expires} onInput=${(event) => setExpires(event.target.value)} /></label>
        ${error && html`<p class="error-text" role="alert">${error}</p>`}
        <div class="dialog-foot"><button type="button" class="button quiet" onClick=${onClose}>${t('cancel')}</button>
          <button class="button accent" disabled=${!name.trim() || !scopes.size}>${t('keys.make')}</button></div>
      </form>
    <//>`;
}

// The clipboard can only be reached over https: a click selects the text instead.
function Secret({ text }) {
  const field = useRef();
  const selectAll = () => field.current.select();
  useEffect(selectAll, []);
  return html`<input class="secret" readonly ref=${field} value=${text} aria-label=${t('keys.secret')} onClick=${selectAll} onFocus=${selectAll} />`;
}

function Revoke({ apiKey, onClose }) {
  const submit = async () => {
    try {
      await request(`keys/${apiKey.id}`, { method: 'DELETE' });
      notify({ text: t('keys.revoked', { name: apiKey.name }) });
    } catch (error) {
      notifyError(explain(error));
    }
    onClose();
  };
  return html`
    <${Dialog} title=${t('keys.revoke-one', { name: apiKey.name })} onClose=${onClose}>
      <p>${t('keys.revoke-hint')}</p>
      <div class="dialog-foot"><button class="button quiet" data-first onClick=${onClose}>${t('cancel')}</button>
        <button class="button danger" onClick=${submit}>${t('keys.revoke')}</button></div>
    <//>`;
}

// --- taggers -----------------------------------------------------------------------------------------------------

function Taggers({ features }) {
  const [list, setList] = useState([]);
  useEffect(() => {
    if (!features?.taggers) return;
    requestJson('taggers', { quiet: true }).then(({ value }) => setList(value), () => setList([]));
  }, [features]);
  if (!list.length) return null;
  return html`
    <section class="card">
      <h2>${t('taggers.title')}</h2>
      <ul class="keys">
        ${list.map(({ name, version, state, languages = [] }) => html`
          <li key=${name}><${Icon} name="spark" />
            <span class="grow"><span class="key-name">${name}</span>
              <span class="dim small-text">${[version, languages.length <= MOST_LANGUAGES && languages.join(', ')].filter(Boolean).join(' · ')}</span></span>
            <span class=${`state ${state}`}>${stateText(state)}</span></li>`)}
      </ul>
    </section>`;
}

function stateText(state) {
  const key = `taggers.state.${state}`;
  const text = t(key);
  return text === key ? state : text;
}
