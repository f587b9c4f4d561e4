// The search: its terms as chips, a field for the next one, a range of dates.
import { html, useEffect, useId, useRef, useState } from './html.js';
import { useStore } from './store.js';
import { follow, go, route, urlOf } from './route.js';
import { photos, isQueryFault } from './photos.js';
import { split, term, without, wordAt } from './terms.js';
import { SuggestField } from './suggest.js';
import { useDismiss } from './focus.js';
import { explain } from './errors.js';
import { formatDate, language, t, useLanguage } from './i18n.js';
import { Icon } from './icons.js';

const show = (change) => go({ view: 'photos', image: '', ...change });

export function Search() {
  useLanguage();
  const { q, from, to } = useStore(route);
  const { error, search } = useStore(photos);
  const [text, setText] = useState('');
  const field = useRef();
  const hint = useId();
  const terms = split(q);
  const fault = error && isQueryFault(error) && search?.q === q ? error : null;
  const position = fault?.problem.position;

  // The address bar is what is searched for: what was typed and never sent goes when that changes.
  useEffect(() => setText(''), [q]);

  const submit = () => {
    const added = text.trim();
    if (added) show({ q: `${q} ${added}`.trim() });
    else if (fault) show({ q });
  };
  const complete = (tag, cursor) => {
    const { start } = wordAt(text, cursor);
    const done = `${text.slice(0, start)}${term(tag)}${text.slice(cursor)}`.trim();
    // A single word is a search; within a longer text more may follow.
    if (split(done).length === 1 && !/\(|\||^(?:OR|AND|NOT)\b/.test(done.replace(/"[^"]*"/g, ''))) show({ q: `${q} ${done}`.trim() });
    else setText(`${done} `);
  };
  const edit = (chip) => {
    const rest = without(q, chip);
    show({ q: rest });
    // After the effect above.
    setTimeout(() => { setText(chip.text); field.current?.focus(); }, 0);
  };
  const onKey = (event) => {
    if (event.key === 'Backspace' && !text && terms.length) {
      event.preventDefault();
      edit(terms.at(-1));
    } else if (event.key === 'Escape') {
      if (text) setText('');
      else field.current.blur();
    }
  };
  const isFiltered = Boolean(q || from || to);
  return html`
    <div class="search" role="search" aria-label=${t('search.label')}>
      <div class=${`search-field${fault ? ' faulty' : ''}`} onClick=${(event) => { if (event.target === event.currentTarget) field.current.focus(); }}>
        <${Icon} name="search" />
        ${terms.map((chip) => html`
          <span class=${`chip${position >= chip.start && position <= chip.end ? ' faulty' : ''}`} key=${`${chip.start}${chip.text}`}>
            <button class="chip-text" onClick=${() => edit(chip)} title=${t('search.edit')}>${chip.text}</button>
            <button class="chip-close" aria-label=${t('search.remove', { term: chip.text })} onClick=${() => show({ q: without(q, chip) })}>
              <${Icon} name="close" size=${14} />
            </button>
          </span>`)}
        <${SuggestField} value=${text} onValue=${setText} inputRef=${field} label=${t('search.label')}
          placeholder=${terms.length ? '' : t('search.placeholder')} wordOf=${(value, cursor) => wordAt(value, cursor).word}
          onChoose=${complete} onSubmit=${submit} onKey=${onKey} invalid=${Boolean(fault)} describedBy=${fault ? hint : undefined} />
        ${(isFiltered || text) && html`
          <button class="round small" aria-label=${t('search.clear')} title=${t('search.clear')}
            onClick=${() => { setText(''); show({ q: '', from: '', to: '' }); field.current.focus(); }}><${Icon} name="close" size=${16} /></button>`}
        <${DateRange} from=${from} to=${to} />
      </div>
      ${fault && html`<${Fault} id=${hint} fault=${fault} q=${q} />`}
    </div>`;
}

// The search again, with the place of the fault marked.
function Fault({ id, fault, q }) {
  const { position } = fault.problem;
  const marked = Number.isInteger(position) && fault.code === 'invalid-query';
  // Positions count characters, not the units of JavaScript's strings.
  const characters = [...q];
  const end = marked && characters[position] === undefined ? position : position + 1;
  return html`
    <div class="fault" id=${id} role="alert">
      <${Icon} name="warning" size=${18} />
      <div>
        ${marked && html`<code>${characters.slice(0, position).join('')}<mark>${characters.slice(position, end).join('') || ' '}</mark>${characters.slice(end).join('')}</code>`}
        <span>${marked ? t('search.fault', { position: position + 1 }) : explain(fault)}</span>
        ${marked && language.get().code === 'en' && fault.problem.detail && html`<span class="dim"> ${reasonOf(fault.problem.detail)}</span>`}
      </div>
    </div>`;
}

// The position is told already.
function reasonOf(detail) {
  const reason = detail.replace(/^`q` at character \d+: /, '');
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}

const EXAMPLES = [
  ['cat dog', 'both'], ['cat | dog', 'either'], ['cat -dog', 'not'], ['"blue sky"', 'quoted'], ['cat>=80', 'sure'],
  ['date>=2026-01-01', 'date'], ['type:png width>=1000', 'file'], ['untagged', 'untagged'],
];

// What a search may look like.
export const Examples = () => html`
  <section class="examples">
    <h2>${t('examples.title')}</h2>
    <dl>${EXAMPLES.map(([q, name]) => html`
      <dt key=${name}><a href=${urlOf({ view: 'photos', image: '', q })} onClick=${follow({ view: 'photos', image: '', q })}>${q}</a></dt>
      <dd>${t(`examples.${name}`)}</dd>`)}</dl>
  </section>`;

function DateRange({ from, to }) {
  const [isOpen, setOpen] = useState(false);
  const element = useRef();
  const button = useRef();
  const close = () => setOpen(false);
  useDismiss(element, isOpen, close);
  const set = (change) => show({ q: route.get().q, ...change });
  const preset = (days) => {
    const start = new Date();
    start.setDate(start.getDate() - days);
    set({ from: isoDay(start), to: '' });
    close();
  };
  const label = from || to ? rangeText(from, to) : '';
  return html`
    <span class="dates" ref=${element}>
      <button ref=${button} class=${label ? 'chip dates-chip' : 'round small'} aria-expanded=${isOpen ? 'true' : 'false'}
        aria-label=${label ? t('dates.change', { range: label }) : t('dates.label')} title=${t('dates.label')} onClick=${() => setOpen(!isOpen)}>
        <${Icon} name="calendar" size=${18} />${label && html`<span>${label}</span>`}
      </button>
      ${isOpen && html`
        <div class="popover dates-popover" role="dialog" aria-label=${t('dates.label')}>
          <div class="dates-inputs">
            <label>${t('dates.from')}<input type="date" value=${from} max=${to || undefined} onChange=${(event) => set({ from: event.target.value })} /></label>
            <label>${t('dates.to')}<input type="date" value=${to} min=${from || undefined} onChange=${(event) => set({ to: event.target.value })} /></label>
          </div>
          <div class="presets">
            <button class="chip" onClick=${() => preset(0)}>${t('day.today')}</button>
            <button class="chip" onClick=${() => preset(7)}>${t('dates.week')}</button>
            <button class="chip" onClick=${() => preset(30)}>${t('dates.month')}</button>
            <button class="chip" onClick=${() => preset(365)}>${t('dates.year')}</button>
            ${label && html`<button class="chip" onClick=${() => { set({ from: '', to: '' }); close(); button.current.focus(); }}>${t('dates.any')}</button>`}
          </div>
        </div>`}
    </span>`;
}

function isoDay(date) {
  const two = (value) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export function rangeText(from, to) {
  const day = (text) => formatDate(text, { day: 'numeric', month: 'short', year: 'numeric' });
  if (from && to) return from === to ? day(from) : `${day(from)} – ${day(to)}`;
  return from ? t('dates.since', { day: day(from) }) : t('dates.until', { day: day(to) });
}
