// Files that are dropped, pasted or chosen, folders included.
import { enqueue } from './uploads.js';

const PICTURES = /\.(?:jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|hei[cf]|avif|jxl|jp2|psd|dng|cr2|cr3|nef|arw|orf|rw2|raf)$/i;
const MOST_FILES = 10_000;

// What a folder holds beside pictures is left out; the server judges what the pictures are.
function isPicture(file) {
  return !file.name.startsWith('.') && (file.type.startsWith('image/') ? file.type !== 'image/svg+xml' : PICTURES.test(file.name));
}

export function addFiles(files) {
  const all = [...files];
  const pictures = all.filter(isPicture);
  enqueue(pictures, all.length - pictures.length);
}

// The files of a drop. Entries must be taken before the event is over.
export async function addDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) {
    addFiles(transfer.files);
    return;
  }
  addFiles(await walk(entries));
}

async function walk(entries) {
  const files = [];
  const left = [...entries].reverse();
  while (left.length && files.length < MOST_FILES) {
    const entry = left.pop();
    if (entry.isFile) {
      const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
      if (file) files.push(file);
    } else if (entry.isDirectory) {
      left.push(...(await list(entry)).reverse());
    }
  }
  return files;
}

// A reader gives at most a hundred entries at a time.
async function list(folder) {
  const reader = folder.createReader();
  const found = [];
  while (found.length < MOST_FILES) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) break;
    found.push(...some);
  }
  return found;
}

export const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

// Lets the visitor choose files. `how`: files, folder, camera.
export function choose(how = 'files') {
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  if (how === 'folder') input.webkitdirectory = true;
  else input.accept = 'image/*,.heic,.heif';
  if (how === 'camera') {
    input.multiple = false;
    input.capture = 'environment';
  }
  input.addEventListener('change', () => addFiles(input.files));
  input.click();
}
