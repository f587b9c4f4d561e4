// What becomes of a tag: its entry in the vocabulary.
import { html, useEffect, useState } from './html.js';
import { ApiError, query, request, requestJson } from './api.js';
import { go } from './route.js';
import { labelOf } from './labels.js';
import { ChangeDialog } from './changedialog.js';
import { Dialog } from './dialog.js';
import { TagField } from './tagfield.js';
import { SuggestField } from './suggest.js';
import { notify } from './notices.js';
import { explain } from './errors.js';
import { LANGUAGES, language, number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const EMPTY = { aliases: [], parents: [], threshold: null, blocked: false, names: {} };

const path = (label) => `vocabulary/${encodeURIComponent(label)}`;
const percent = (value) => number(value / 100, { style: 'percent', maximumFractionDigits: 1 });

// The labels of tags, of which some are known to be labels.
const labelsOf = (tags, known) => Promise.all(tags.map((tag) => (known.includes(tag) ? tag : labelOf(tag))));

async function entryOf(label) {
  try {
    return (await requestJson(path(label), { quiet: true })).value;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'tag-not-found') return null;
    throw error;
  }
}

const put = (label, entry) => requestJson(path(label), { method: 'PUT', json: entry });

export function Rules({ tag }) {
  const shownLanguage = useLanguage();
  const [state, setState] = useState(null);
  const [dialog, setDialog] = useState(null);
  const [isSaved, setSaved] = useState(false);
  const load = async () => {
    const label = await labelOf(tag);
    setState({ label, entry: await entryOf(label) });
  };
  useEffect(() => {
    load().catch(() => setState(null));
  }, [tag, shownLanguage]);
  if (!state) return null;
  const { label, entry } = state;
  const close = () => setDialog(null);
  const changed = async (name = label) => {
    close();
    setSaved(true);
    notify({ text: t('rules.saved') });
    if (name === label) await load().catch(() => {});
    else go({ tag: name }, { replace: true });
  };
  return html`
    <section class="rules" aria-label=${t('rules.title')}>
      <header><h3 class="grow">${t('rules.title')}</h3>
        <button class="button quiet small" onClick=${() => setDialog('edit')}>${t('rules.edit')}</button></header>
      ${entry ? html`<${Summary} entry=${entry} />` : html`<p class="dim small-text">${t('rules.none')}</p>`}
      <div class="row">
        <button class="button quiet small" onClick=${() => setDialog('rename')}>${t('rules.rename')}</button>
        <button class="button quiet small" onClick=${() => setDialog('merge')}>${t('rules.merge')}</button>
        ${(isSaved || entry) && html`
          <button class=${`button small ${isSaved ? 'accent' : 'quiet'}`} onClick=${() => setDialog('apply')}>${t('rules.apply')}</button>`}
      </div>
      ${dialog === 'edit' && html`<${EditDialog} label=${label} entry=${entry} onClose=${close} onDone=${changed} />`}
      ${dialog === 'rename' && html`<${RenameDialog} label=${label} hasEntry=${Boolean(entry)} onClose=${close} onDone=${changed} />`}
      ${dialog === 'merge' && html`<${MergeDialog} label=${label} onClose=${close} onDone=${changed} />`}
      ${dialog === 'apply' && html`<${ChangeDialog} kind="vocabulary" target=${{ search: {} }} onClose=${close} />`}
    </section>`;
}

function Summary({ entry }) {
  const { aliases, parents, threshold, blocked, names } = entry;
  const rows = [
    aliases.length && [t('rules.aliases'), aliases.join(', ')],
    parents.length && [t('rules.parents'), parents.join(', ')],
    threshold !== null && [t('rules.threshold'), percent(threshold)],
    blocked && [t('rules.blocked'), t('rules.blocked-hint')],
    ...Object.entries(names).map(([code, name]) => [t('rules.name', { language: languageName(code) }), name]),
  ].filter(Boolean);
  return html`<dl>${rows.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function languageName(code) {
  try {
    return new Intl.DisplayNames([language.get().code], { type: 'language' }).of(code.replace('_', '-'));
  } catch {
    return code;
  }
}

// Sends a change; `error` is why the last one was refused.
function useChange(onDone) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (work) => {
    setBusy(true);
    setError(null);
    try {
      onDone(await work());
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };
  return { error, isBusy, send };
}

const Foot = ({ change, isReady = true, isSafe, label, onClose, onSubmit, children }) => html`
  ${change.error && html`<p class="error-text" role="alert">${explain(change.error)}</p>`}
  <div class="dialog-foot">${children}<button type="button" class="button quiet" data-first=${isSafe ? true : undefined} onClick=${onClose}>${t('cancel')}</button>
    <button type="button" class="button accent" disabled=${!isReady || change.isBusy} onClick=${onSubmit}>${label}</button></div>`;

function EditDialog({ label, entry, onClose, onDone }) {
  const [rules, setRules] = useState(entry ?? EMPTY);
  const [alias, setAlias] = useState('');
  const [parent, setParent] = useState('');
  const change = useChange(onDone);
  const set = (part) => setRules((old) => ({ ...old, ...part }));
  const codes = [...new Set([...Object.keys(LANGUAGES).filter((code) => code !== 'en'), ...Object.keys(rules.names)])];
  const submit = () => change.send(async () => {
    const { threshold, blocked, names } = rules;
    const { aliases, parents } = entry ?? EMPTY;
    await put(label, {
      aliases: await labelsOf(withText(rules.aliases, alias), aliases),
      parents: await labelsOf(withText(rules.parents, parent), parents), threshold, blocked,
      names: Object.fromEntries(Object.entries(names).filter(([, name]) => name.trim())),
    });
  });
  const drop = () => change.send(async () => { await request(path(label), { method: 'DELETE' }); });
  return html`
    <${Dialog} title=${t('rules.edit-title', { tag: label })} onClose=${onClose}>
      <div class="change-steps rules-form">
        <fieldset><legend>${t('rules.aliases')}</legend><p class="dim">${t('rules.aliases-hint', { tag: label })}</p>
          <${TagField} tags=${rules.aliases} setTags=${(aliases) => set({ aliases })} text=${alias} setText=${setAlias} onSubmit=${submit} label=${t('rules.add-alias')} /></fieldset>
        <fieldset><legend>${t('rules.parents')}</legend><p class="dim">${t('rules.parents-hint', { tag: label })}</p>
          <${TagField} tags=${rules.parents} setTags=${(parents) => set({ parents })} text=${parent} setText=${setParent} onSubmit=${submit} label=${t('rules.add-parent')} /></fieldset>
        <label class="field">${t('rules.threshold')}
          <span class="range"><input type="range" min="0" max="100" step="5" value=${rules.threshold ?? 0} onInput=${(event) => set({ threshold: Number(event.target.value) || null })} />
            <output>${rules.threshold === null ? t('rules.any') : percent(rules.threshold)}</output></span></label>
        <label class="setting"><input type="checkbox" checked=${rules.blocked} onChange=${(event) => set({ blocked: event.target.checked })} />
          <span class="grow">${t('rules.blocked')} <span class="dim">${t('rules.blocked-hint')}</span></span></label>
        ${codes.map((code) => html`
          <label class="field" key=${code}>${t('rules.name', { language: languageName(code) })}
            <input type="text" maxlength="200" value=${rules.names[code] ?? ''} onInput=${(event) => set({ names: { ...rules.names, [code]: event.target.value } })} /></label>`)}
        <${Foot} change=${change} isSafe=${true} label=${t('rules.save')} onClose=${onClose} onSubmit=${submit}>
          ${entry && html`<button class="button quiet" disabled=${change.isBusy} onClick=${drop}><${Icon} name="trash" size=${18} />${t('rules.drop')}</button><span class="grow"></span>`}
        <//>
      </div>
    <//>`;
}

const withText = (tags, text) => [...new Set([...tags, text.trim()])].filter(Boolean);

function RenameDialog({ label, hasEntry, onClose, onDone }) {
  const [name, setName] = useState('');
  const change = useChange(onDone);
  const submit = () => change.send(async () => {
    if (hasEntry) await requestJson(`${path(name.trim())}${query({ rename: label })}`, { method: 'PUT' });
    else await put(name.trim(), { aliases: [label] });
    return name.trim();
  });
  return html`
    <${Dialog} title=${t('rules.rename-title', { tag: label })} onClose=${onClose}>
      <p class="dim">${t('rules.rename-hint')}</p>
      <label class="field">${t('rules.new-name')}<input type="text" maxlength="200" value=${name} onInput=${(event) => setName(event.target.value)} /></label>
      <${Foot} change=${change} isReady=${Boolean(name.trim())} label=${t('rules.rename')} onClose=${onClose} onSubmit=${submit} />
    <//>`;
}

function MergeDialog({ label, onClose, onDone }) {
  const [name, setName] = useState('');
  const change = useChange(onDone);
  const submit = () => change.send(async () => {
    const target = await labelOf(name.trim());
    const { aliases, parents, threshold, blocked, names } = (await entryOf(target)) ?? EMPTY;
    await put(target, { aliases: withText(aliases, label), parents, threshold, blocked, names });
    return name.trim();
  });
  return html`
    <${Dialog} title=${t('rules.merge-title', { tag: label })} onClose=${onClose}>
      <p class="dim">${t('rules.merge-hint', { tag: label })}</p>
      <div class="add-tag boxed"><${Icon} name="tag" size=${18} />
        <${SuggestField} value=${name} onValue=${setName} label=${t('rules.merge-tag')} placeholder=${t('rules.merge-tag')} onChoose=${setName} onSubmit=${() => name.trim() && submit()} /></div>
      <${Foot} change=${change} isReady=${Boolean(name.trim()) && name.trim() !== label} label=${t('rules.merge')} onClose=${onClose} onSubmit=${submit} />
    <//>`;
}
