// The dialog for a change of many photos: what is wanted, what that would do, and the decision.
import { html, useEffect, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { requestJson, server } from './api.js';
import { clearSelection, selectedTags, selection } from './many.js';
import { look, start } from './jobs.js';
import { searchText } from './jobwords.js';
import { Changes } from './changes.js';
import { Dialog } from './dialog.js';
import { TagField } from './tagfield.js';
import { explain } from './errors.js';
import { number, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const MOST_TAGS = 200;

// `kind`: tag, untag, retag, delete or vocabulary; of the selected photos, unless a target is given.
export function ChangeDialog({ kind, target: given, onClose }) {
  useLanguage();
  const { online } = useStore(server);
  const [target] = useState(() => given ?? targetNow());
  const [step, setStep] = useState({ name: 'form' });
  const looking = useRef();
  const body = useRef();
  const Form = { tag: AddForm, untag: RemoveForm, retag: RetagForm }[kind];

  const lookAt = async (change) => {
    looking.current?.abort();
    const controller = (looking.current = new AbortController());
    setStep({ name: 'looking', change });
    try {
      const job = await look(change, target, controller.signal, (now) => setStep({ name: 'looking', change, job: now }));
      if (!controller.signal.aborted) setStep({ name: 'plan', change, job });
    } catch (error) {
      if (!controller.signal.aborted) setStep({ name: 'failed', change, error });
    }
  };
  const begin = async () => {
    const { change, job } = step;
    setStep({ name: 'plan', change, job, isStarting: true });
    try {
      await start(change, target, job.total);
      if (!given) clearSelection();
      onClose();
    } catch (error) {
      setStep({ name: 'plan', change, job, error });
    }
  };
  useEffect(() => {
    if (!Form) lookAt({ kind });
    return () => looking.current?.abort();
  }, []);
  // The element that had the focus goes with its step.
  useEffect(() => { if (step.name !== 'form') body.current.querySelector('[data-first]')?.focus(); }, [step.name, step.error]);

  const close = () => { if (!step.isStarting) onClose(); };
  const title = kind === 'vocabulary' ? t('rules.apply') : target.search ? t(`many.${kind}-title-all`) : t(`many.${kind}-title`, { n: target.n });
  return html`
    <${Dialog} title=${title} onClose=${close}>
      <div class="change-steps" ref=${body}>
        ${target.search && html`<p class="dim">${searchText(target.search)}</p>`}
        ${Form && html`<div class="change-steps" hidden=${step.name !== 'form'}><${Form} target=${target} onDone=${lookAt} onClose=${close} /></div>`}
        ${step.name === 'looking' && html`<${Looking} job=${step.job} online=${online} onClose=${close} />`}
        ${step.name === 'failed' && html`
          <p class="error-text" role="alert">${explain(step.error)}</p>
          <${Foot} onClose=${close}><button class="button accent" data-first onClick=${() => lookAt(step.change)}>${t('retry')}</button><//>`}
        ${step.name === 'plan' && html`
          <${Plan} step=${step} onBegin=${begin} onLook=${() => lookAt(step.change)} onBack=${Form && (() => setStep({ name: 'form' }))} onClose=${close} />`}
      </div>
    <//>`;
}

function targetNow() {
  const { ids, everything } = selection.get();
  return everything ? { search: everything.search, n: everything.total } : { ids: [...ids], n: ids.size };
}

const Foot = ({ onClose, children, label, isFirst }) => html`
  <div class="dialog-foot">
    <button class="button quiet" data-first=${isFirst ? true : undefined} onClick=${onClose}>${label ?? t('cancel')}</button>${children}</div>`;

function Looking({ job, online, onClose }) {
  const done = job?.total ? job.done / job.total : undefined;
  return html`
    <p role="status">${online ? t('plan.looking') : t('upload.offline')}</p>
    <progress max="1" value=${done} aria-label=${t('plan.looking')}></progress>
    <div class="dialog-foot"><button class="button quiet" data-first onClick=${onClose}>${t('cancel')}</button></div>`;
}

// --- what it would do --------------------------------------------------------------------------------------------

function Plan({ step, onBegin, onLook, onBack, onClose }) {
  const { change, job, error, isStarting } = step;
  if (job.state !== 'done') {
    return html`
      <p class="error-text" role="alert">${t('plan.broken')}</p>
      <${Foot} onClose=${onClose}><button class="button accent" data-first onClick=${onLook}>${t('retry')}</button><//>`;
  }
  const { changed } = job.result;
  const isDelete = change.kind === 'delete';
  const isOutdated = error?.code === 'count-changed';
  return html`
    <p class="plan-summary" role="status">${summary(change, job)}</p>
    ${isDelete && changed > 0 && html`<p class="warning-text"><${Icon} name="warning" size=${18} /><span>${t('plan.delete-hint')}</span></p>`}
    <${Changes} job=${job} onOpen=${onClose} />
    ${error && html`<p class="error-text" role="alert">${isOutdated ? t('plan.outdated') : explain(error)}</p>`}
    <${Foot} onClose=${changed || !onBack ? onClose : onBack} label=${changed ? undefined : t(onBack ? 'back' : 'close')} isFirst=${isDelete || !changed}>
      ${isOutdated
        ? html`<button class="button accent" data-first onClick=${onLook}>${t('plan.look-again')}</button>`
        : changed > 0 && html`
          <button class=${`button ${isDelete ? 'danger' : 'accent'}`} data-first=${isDelete ? undefined : true} disabled=${isStarting} onClick=${onBegin}>
            ${t(isDelete ? 'plan.delete-now' : 'plan.change-now', { n: changed })}</button>`}
    <//>`;
}

function summary({ kind }, { total, result }) {
  const { changed } = result;
  if (!total) return t('plan.nothing-found');
  if (!changed) return t(kind === 'retag' ? 'plan.nothing-retag' : 'plan.nothing');
  if (kind === 'delete') return t('plan.delete', { n: changed });
  return changed === total ? t('plan.change-all', { n: total }) : t('plan.change', { n: total, changed: number(changed) });
}

// --- what is wanted ----------------------------------------------------------------------------------------------

const FormFoot = ({ isReady, onClose, onLook }) => html`
  <div class="dialog-foot"><button class="button quiet" onClick=${onClose}>${t('cancel')}</button>
    <button class="button accent" disabled=${!isReady} onClick=${onLook}>${t('plan.look')}</button></div>`;

const together = (tags, text) => [...new Set([...tags, text.trim()])].filter(Boolean);

function AddForm({ onDone, onClose }) {
  const [tags, setTags] = useState([]);
  const [text, setText] = useState('');
  const chosen = together(tags, text);
  const submit = () => { if (chosen.length) onDone({ kind: 'edit', add: chosen, remove: [] }); };
  return html`
    <${TagField} tags=${tags} setTags=${setTags} text=${text} setText=${setText} onSubmit=${submit} label=${t('tags.add')} />
    <${FormFoot} isReady=${chosen.length > 0} onClose=${onClose} onLook=${submit} />`;
}

function RemoveForm({ target, onDone, onClose }) {
  const [checked, setChecked] = useState(new Set());
  const [tags, setTags] = useState([]);
  const [text, setText] = useState('');
  const [known] = useState(() => selectedTags().slice(0, MOST_TAGS));
  const chosen = [...new Set([...checked, ...together(tags, text)])];
  const flip = (tag) => {
    const next = new Set(checked);
    if (!next.delete(tag)) next.add(tag);
    setChecked(next);
  };
  const submit = () => { if (chosen.length) onDone({ kind: 'edit', add: [], remove: chosen }); };
  return html`
    <p class="dim">${known.length ? t('many.untag-hint') : t('tags.none')}</p>
    <div class="choices" role="group" aria-label=${t('tags.title')} tabIndex="0">
      ${known.map(([tag, count]) => html`
        <label key=${tag}><input type="checkbox" checked=${checked.has(tag)} onChange=${() => flip(tag)} />
          <span class="grow ellipsis" title=${tag}>${tag}</span>${!target.search && html`<span class="dim">${number(count)}</span>`}</label>`)}
    </div>
    ${target.search && html`
      <${TagField} tags=${tags} setTags=${setTags} text=${text} setText=${setText} onSubmit=${submit} label=${t('many.untag-other')} />`}
    <${FormFoot} isReady=${chosen.length > 0} onClose=${onClose} onLook=${submit} />`;
}

function RetagForm({ onDone, onClose }) {
  const { features } = useStore(server);
  const [taggers, setTaggers] = useState([]);
  const [provider, setProvider] = useState('');
  useEffect(() => {
    if (features?.taggers) requestJson('taggers', { quiet: true }).then(({ value }) => setTaggers(value), () => {});
  }, []);
  return html`
    <p>${t('many.retag-hint')}</p>
    ${taggers.length > 1 && html`
      <label class="field">${t('taggers.one')}
        <select value=${provider} onChange=${(event) => setProvider(event.target.value)}>
          <option value="">${t('taggers.default')}</option>
          ${taggers.map(({ name }) => html`<option value=${name}>${name}</option>`)}
        </select></label>`}
    <div class="dialog-foot"><button class="button quiet" onClick=${onClose}>${t('cancel')}</button>
      <button class="button accent" data-first onClick=${() => onDone({ kind: 'retag', provider })}>${t('plan.look')}</button></div>`;
}
