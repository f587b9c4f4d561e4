// Errors in words that say what to do, by their codes and facts: the server's English is shown to English readers alone.
import { ApiError, Unreachable } from './api.js';
import { bytes, hasText, language, number, t } from './i18n.js';

export function explain(error) {
  if (error instanceof Unreachable) return t('error.unreachable');
  if (!(error instanceof ApiError)) return t('error.unknown');
  const { code, status, problem } = error;
  if (code === 'unsupported-format') return unsupported(problem);
  const limit = code === 'payload-too-large' ? bytes(problem.limit) : problem.limit && number(problem.limit);
  const key = `error.${code}`;
  if (code === 'payload-too-large' && !problem.limit) return t('error.too-large');
  if (hasText(key)) return t(key, { detail: (problem.detail ?? '').replace(/[.`]/g, ''), limit: limit ?? '', scope: problem.scope ?? '', setting: problem.setting ?? '', status: String(status) });
  if (status >= 500) return t('error.server', { status: String(status) });
  return language.get().code === 'en' && problem.detail ? problem.detail : t('error.other', { status: String(status) });
}

// Why a job could not change an image.
export function explainItem({ code, detail }) {
  for (const key of [`item.${code}`, `error.${code}`]) if (hasText(key)) return t(key, { limit: '', scope: '', setting: '', status: '', format: '' });
  return language.get().code === 'en' && detail ? detail : t('item.failed');
}

function unsupported({ format = '' }) {
  if (/hei[cf]/i.test(format)) return t('error.heic', { format });
  return format ? t('error.format', { format }) : t('error.format-unknown');
}
