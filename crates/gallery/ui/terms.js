// Searches as text: cutting one into its terms, and putting terms together.

// The terms of a search at its top level, with their positions; one term for a search with OR at the top.
export function split(search) {
  const terms = [];
  let depth = 0;
  let quoted = false;
  let start = -1;
  let isAlternative = false;
  for (let i = 0; i <= search.length; i += 1) {
    const char = search[i];
    if (char === '"') quoted = !quoted;
    else if (!quoted && char === '(') depth += 1;
    else if (!quoted && char === ')') depth -= 1;
    const isBlank = char === undefined || (!quoted && depth <= 0 && /\s/.test(char));
    if (!isBlank && start < 0) start = i;
    if (!quoted && depth <= 0 && char === '|') isAlternative = true;
    if (isBlank && start >= 0) {
      const text = search.slice(start, i);
      if (text === 'OR') isAlternative = true;
      terms.push({ text, start, end: i });
      start = -1;
    }
  }
  const glued = terms.reduce(glue, []);
  const whole = search.trim();
  if (isAlternative && whole) {
    const from = search.indexOf(whole);
    return [{ text: whole, start: from, end: from + whole.length }];
  }
  return glued;
}

// `NOT cat` is one term, and `AND` is none.
function glue(terms, term) {
  const last = terms.at(-1);
  if (term.text === 'AND') return terms;
  if (last?.text === 'NOT') {
    terms[terms.length - 1] = { text: `NOT ${term.text}`, start: last.start, end: term.end };
    return terms;
  }
  return [...terms, term];
}

const NEEDS_QUOTES = /[\s()|:<>="]|^-|^(?:AND|OR|NOT|untagged)$/;

// A tag as a term.
export function term(tag) {
  return NEEDS_QUOTES.test(tag) ? `"${tag.replaceAll('"', '""')}"` : tag;
}

export function withTerm(search, added) {
  const terms = split(search);
  if (terms.some(({ text }) => text === added)) return search;
  const isAlternative = terms.length === 1 && / OR |\|/.test(terms[0].text.replace(/"[^"]*"/g, '')) && !/^\(.*\)$/.test(terms[0].text);
  const base = isAlternative ? `(${terms[0].text})` : search.trim();
  return base ? `${base} ${added}` : added;
}

export function without(search, { start, end }) {
  return `${search.slice(0, start)}${search.slice(end)}`.replace(/\s+/g, ' ').trim();
}

// The word before the cursor that names of tags can complete: where it begins, what it is, and whether it is quoted.
export function wordAt(text, cursor) {
  const before = text.slice(0, cursor);
  const open = before.lastIndexOf('"');
  const isQuoted = (before.split('"').length - 1) % 2 === 1;
  if (isQuoted) return { start: open, word: before.slice(open + 1), isQuoted };
  const found = /[^\s()|"]*$/.exec(before);
  let start = found.index;
  let word = found[0];
  if (word.startsWith('-')) {
    start += 1;
    word = word.slice(1);
  }
  return { start, word: /[<>=:]/.test(word) ? '' : word, isQuoted };
}
