// What is known of a picture; where it was taken only when asked for.
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { Unreachable, requestJson, whenOnline } from './api.js';
import { explain } from './errors.js';
import { bytes, formatDate, number, t } from './i18n.js';
import { Icon } from './icons.js';

export function Facts({ id, image }) {
  const [info, setInfo] = useState(null);
  useEffect(() => {
    const controller = new AbortController();
    load(id, controller.signal).then(setInfo, () => {});
    return () => controller.abort();
  }, [id]);
  const known = info ?? image ?? {};
  const { file_name: name, taken_at: taken, camera, width, height, type, provider, min_confidence: threshold } = known;
  const pixels = width && height ? width * height : 0;
  const kind = type?.replace('image/', '').toUpperCase();
  const size = info?.bytes ?? (image ? image.size * 1024 : null);
  return html`
    <section>
      <h2>${t('facts.title')}</h2>
      <dl class="facts">
        <${Fact} label=${t('facts.name')} value=${name} />
        <${Fact} label=${t('facts.taken')} value=${taken && formatDate(taken)} />
        <${Fact} label=${t('facts.registered')} value=${image?.date && formatDate(image.date)} />
        <${Fact} label=${t('facts.camera')} value=${camera} />
        <${Fact} label=${t('facts.picture')} value=${pixels > 0 && [
          `${number(width, { useGrouping: false })} × ${number(height, { useGrouping: false })}`,
          pixels >= 100_000 && t('facts.megapixels', { value: number(pixels / 1e6, { maximumFractionDigits: 1 }) }),
        ].filter(Boolean).join(' · ')} />
        <${Fact} label=${t('facts.file')} value=${[kind, size && bytes(size)].filter(Boolean).join(' · ')} />
        <${Fact} label=${t('facts.tagger')} value=${provider && t('facts.tagged', {
          provider, threshold: number((threshold ?? 0) / 100, { style: 'percent', maximumFractionDigits: 1 }),
        })} />
      </dl>
      <${Place} id=${id} />
    </section>`;
}

async function load(id, signal) {
  try {
    return (await requestJson(`image/${id}/info`, { signal, quiet: true })).value;
  } catch (error) {
    if (!(error instanceof Unreachable) || signal.aborted) throw error;
    await whenOnline();
    return load(id, signal);
  }
}

const Fact = ({ label, value }) => (value ? html`<div><dt>${label}</dt><dd>${value}</dd></div>` : null);

function Place({ id }) {
  const [state, setState] = useState({ step: 'hidden' });
  const answer = useRef();
  // The button has gone, and the focus with it.
  useLayoutEffect(() => answer.current?.focus({ preventScroll: true }), [state.step]);
  const show = async () => {
    setState({ step: 'loading' });
    try {
      const { value } = await requestJson(`image/${id}/info?location=true`);
      setState({ step: 'known', place: value.location });
    } catch (error) {
      setState({ step: 'failed', text: explain(error) });
    }
  };
  if (state.step === 'known') {
    if (!state.place) return html`<p class="dim" role="status" tabIndex="-1" ref=${answer}>${t('place.unknown')}</p>`;
    const { latitude, longitude } = state.place;
    const format = (value, signs) =>
      `${number(Math.abs(value), { minimumFractionDigits: 5, maximumFractionDigits: 5 })}° ${t(`place.${signs[value < 0 ? 1 : 0]}`)}`;
    const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=15/${latitude}/${longitude}`;
    return html`
      <p class="place" role="status" tabIndex="-1" ref=${answer}><${Icon} name="pin" size=${18} />
        <span>${format(latitude, ['north', 'south'])}, ${format(longitude, ['east', 'west'])}</span>
        <a href=${map} target="_blank" rel="noopener noreferrer">${t('place.map')}</a></p>`;
  }
  return html`
    <button class="button quiet small" disabled=${state.step === 'loading'} onClick=${show}><${Icon} name="pin" size=${16} />${t('place.show')}</button>
    ${state.text && html`<p class="error-text" role="alert">${state.text}</p>`}`;
}
