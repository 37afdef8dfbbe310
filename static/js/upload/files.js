/* Which files somebody means who drops or chooses them: single files as they are, of folders what looks like audio. */

/** Takes everything out of a drop at once: the browser empties it as soon as its handler awaits. */
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return { entries, plain: [...transfer.files] };
}

/** Yields the files of a drop in parts, as folders are read to the bottom. */
export async function* filesOfDrop({ entries, plain }) {
  if (!entries.length) { yield { files: plain, fromFolder: false, unread: 0 }; return; }
  for (const entry of entries) {
    if (entry.isFile) yield await fileOf(entry, false);
    else yield* filesOfFolder(entry);
  }
}

async function* filesOfFolder(folder) {
  const reader = folder.createReader();
  for (;;) {
    let some;
    try {
      // One call gives at most a hundred entries.
      some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    } catch {
      yield { files: [], fromFolder: true, unread: 1 };
      return;
    }
    if (!some.length) return;
    for (const entry of some) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isFile) yield await fileOf(entry, true);
      else yield* filesOfFolder(entry);
    }
  }
}

async function fileOf(entry, fromFolder) {
  try {
    return { files: [await new Promise((resolve, reject) => { entry.file(resolve, reject); })], fromFolder, unread: 0 };
  } catch {
    return { files: [], fromFolder, unread: 1 };
  }
}

/** Of a folder only what looks like audio is offered: it also holds covers and logs that nobody means. */
export function audioOf(files, suffixes) {
  return files.filter((file) => {
    const name = file.name.toLowerCase();
    return !name.startsWith(".") && suffixes.some((suffix) => name.endsWith(suffix));
  });
}
