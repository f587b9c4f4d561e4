// Tags that are typed, shown as chips.
import { html } from './html.js';
import { SuggestField } from './suggest.js';
import { t } from './i18n.js';
import { Icon } from './icons.js';

export function TagField({ tags, setTags, text, setText, onSubmit, label }) {
  const add = (value) => {
    const tag = value.trim();
    if (tag && !tags.includes(tag)) setTags([...tags, tag]);
    setText('');
  };
  return html`
    <div class="chips">
      ${tags.map((tag) => html`<span class="chip" key=${tag}><span class="ellipsis" title=${tag}>${tag}</span>
        <button class="chip-close" aria-label=${t('tags.remove', { tag })} onClick=${() => setTags(tags.filter((it) => it !== tag))}><${Icon} name="close" size=${14} /></button></span>`)}
    </div>
    <div class="add-tag boxed"><${Icon} name="tag" size=${18} />
      <${SuggestField} value=${text} onValue=${setText} label=${label} placeholder=${label} onChoose=${add}
        onSubmit=${(value) => (value.trim() ? add(value) : onSubmit())} /></div>`;
}
