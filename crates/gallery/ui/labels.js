// Labels, under which tags are stored, of tags that are shown by a name.
import { named, query, requestJson } from './api.js';
import { term } from './terms.js';
import { tagLanguage } from './i18n.js';

// An image lists its tags in the same order in every language.
export async function labelOf(tag, signal) {
  if (!tagLanguage()) return tag;
  const list = (parameters) => requestJson(`images${query({ ...parameters, q: term(tag), limit: 1 })}`, { quiet: true, signal });
  const [{ value: [shown] }, { value: [plain] }] = await Promise.all([list(named()), list({})]);
  const at = shown && plain?.id === shown.id ? shown.tags.findIndex((it) => it.tag === tag) : -1;
  return plain?.tags[at]?.tag ?? tag;
}
