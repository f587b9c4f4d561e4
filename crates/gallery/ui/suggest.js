// A text field with names of tags to choose from.
import { html, useEffect, useId, useRef, useState } from './html.js';
import { named, query, requestJson } from './api.js';
import { number, t, tagLanguage } from './i18n.js';
import { Icon } from './icons.js';

const DELAY_MS = 120;
const MOST = 8;

const recent = new Map();

// The most used tags that begin with a prefix.
async function tagsLike(prefix, signal) {
  const key = `${tagLanguage()} ${prefix.toLowerCase()}`;
  const known = recent.get(key);
  if (known && Date.now() - known.at < 10_000) return known.tags;
  const { value } = await requestJson(`tags${query(named({ prefix, limit: MOST }))}`, { signal, quiet: true });
  if (recent.size > 100) recent.clear();
  recent.set(key, { tags: value, at: Date.now() });
  return value;
}

// Suggestions for a word; `null` asks for none.
export function useSuggestions(word) {
  const [list, setList] = useState([]);
  useEffect(() => {
    if (word === null) {
      setList([]);
      return undefined;
    }
    const controller = new AbortController();
    const timer = setTimeout(() => {
      tagsLike(word, controller.signal).then(setList, () => setList([]));
    }, word ? DELAY_MS : 0);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [word]);
  return list;
}

// The field: `value`, `onValue`; `wordOf` says which part of it is completed, `onChoose` takes a tag, `onSubmit` what
// was typed.
export function SuggestField(props) {
  const { value, onValue, wordOf = (text) => text.trim(), onChoose, onSubmit, onKey, label, placeholder, inputRef, invalid, describedBy } = props;
  const id = useId();
  const own = useRef();
  const field = inputRef ?? own;
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const word = isOpen ? wordOf(value, field.current?.selectionStart ?? value.length) : null;
  const list = useSuggestions(word);
  const isShown = isOpen && list.length > 0;
  useEffect(() => setActive(-1), [word]);

  const choose = (tag) => {
    onChoose(tag, field.current?.selectionStart ?? value.length);
    setActive(-1);
    field.current?.focus();
  };
  const onKeyDown = (event) => {
    if (event.isComposing) return;
    const { key } = event;
    if (isShown && (key === 'ArrowDown' || key === 'ArrowUp')) {
      event.preventDefault();
      // -1 is the text itself, between the last suggestion and the first.
      const places = list.length + 1;
      const place = (active + 1 + (key === 'ArrowDown' ? 1 : places - 1)) % places;
      setActive(place - 1);
    } else if (key === 'Enter') {
      event.preventDefault();
      if (isShown && active >= 0) choose(list[active].tag);
      else {
        setOpen(false);
        onSubmit(value);
      }
    } else if (key === 'Tab' && isShown && active >= 0) {
      event.preventDefault();
      choose(list[active].tag);
    } else if (key === 'Escape' && isShown) {
      event.preventDefault();
      event.stopPropagation();
      setOpen(false);
    } else {
      onKey?.(event);
    }
  };
  return html`
    <span class="suggest">
      <input ref=${field} type="text" role="combobox" value=${value} placeholder=${placeholder} aria-label=${label}
        autocomplete="off" autocapitalize="none" spellcheck=${false} enterkeyhint="search"
        aria-expanded=${isShown ? 'true' : 'false'} aria-controls=${`${id}-list`} aria-autocomplete="list"
        aria-activedescendant=${isShown && active >= 0 ? `${id}-${active}` : undefined}
        aria-invalid=${invalid ? 'true' : undefined} aria-describedby=${describedBy}
        onInput=${(event) => { onValue(event.target.value); setOpen(true); }}
        onFocus=${() => setOpen(true)} onClick=${() => setOpen(true)} onBlur=${() => setOpen(false)} onKeyDown=${onKeyDown} />
      <ul class="suggestions" id=${`${id}-list`} role="listbox" aria-label=${t('suggest.label')} hidden=${!isShown}>
        ${isShown && list.map(({ tag, n_images: count }, index) => html`
          <li id=${`${id}-${index}`} key=${tag} role="option" aria-selected=${index === active ? 'true' : 'false'}
            onPointerDown=${(event) => { event.preventDefault(); choose(tag); }}>
            <${Icon} name="tag" size=${16} /><span class="grow ellipsis">${tag}</span><span class="dim">${number(count)}</span>
          </li>`)}
      </ul>
    </span>`;
}
