/* Which files of a drop or a choice are meant: single files as they are, of folders those that look like audio. */

// A dropped file does not know where it lay.
/** @type {WeakMap<File, string>} */
const paths = new WeakMap();

/**
 * Returns the path of a file within what was chosen or dropped, without its ending: lyrics lie beside their song.
 * @param {File} file
 */
export function stemOf(file) {
  const path = paths.get(file) || file.webkitRelativePath || file.name;
  return path.slice(0, path.lastIndexOf("."));
}

/**
 * Takes everything out of a drop at once: the browser empties it as soon as its handler awaits.
 * @param {DataTransfer} transfer
 */
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null);
  return { entries, plain: [...transfer.files] };
}

/**
 * Yields the files of a drop in parts, as folders are read to the bottom.
 * @param {{ entries: FileSystemEntry[], plain: File[] }} drop
 * @returns {AsyncGenerator<UploadPart>}
 */
export async function* filesOfDrop({ entries, plain }) {
  if (!entries.length) {
    yield { files: plain, fromFolder: false, unread: 0, hidden: 0 };
    return;
  }
  for (const entry of entries) {
    if (isFile(entry)) yield await fileOf(entry, false);
    else yield* filesOfFolder(/** @type {FileSystemDirectoryEntry} */ (entry));
  }
}

/**
 * @param {FileSystemEntry} entry
 * @returns {entry is FileSystemFileEntry}
 */
function isFile(entry) {
  return entry.isFile;
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {AsyncGenerator<UploadPart>}
 */
async function* filesOfFolder(folder) {
  const reader = folder.createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    let some;
    try {
      // One call gives at most a hundred entries.
      some = await new Promise((resolve, reject) => {
        reader.readEntries(resolve, reject);
      });
    } catch {
      yield { files: [], fromFolder: true, unread: 1, hidden: 0 };
      return;
    }
    if (!some.length) return;
    for (const entry of some) {
      if (isFile(entry)) yield await fileOf(entry, true);
      else if (entry.name.startsWith(".")) yield { files: [], fromFolder: true, unread: 0, hidden: 1 };
      else yield* filesOfFolder(/** @type {FileSystemDirectoryEntry} */ (entry));
    }
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @param {boolean} fromFolder
 * @returns {Promise<UploadPart>}
 */
async function fileOf(entry, fromFolder) {
  try {
    /** @type {File} */
    const file = await new Promise((resolve, reject) => {
      entry.file(resolve, reject);
    });
    paths.set(file, entry.fullPath);
    return { files: [file], fromFolder, unread: 0, hidden: 0 };
  } catch {
    return { files: [], fromFolder, unread: 1, hidden: 0 };
  }
}

// As `catalog.files.lyrics` has them.
const LYRICS = [".lrc", ".txt"];

/**
 * Divides the files of a folder, which also holds covers and logs: those that are sent, those that may be lyrics, and by suffix how
 * many are audio in formats that are not taken.
 * @param {File[]} files
 * @param {{ taken: string[], untaken: string[] }} suffixes
 */
export function audioOf(files, { taken, untaken }) {
  /** @type {File[]} */
  const audio = [];
  /** @type {Map<string, number>} */
  const kinds = new Map();
  /** @type {File[]} */
  const lyrics = [];
  let others = 0;
  for (const file of files) {
    const name = file.name.toLowerCase();
    const suffix = name.slice(name.lastIndexOf("."));
    if (isHidden(file) || !name.includes(".")) others += 1;
    else if (taken.includes(suffix)) audio.push(file);
    else if (LYRICS.includes(suffix)) lyrics.push(file);
    else if (untaken.includes(suffix)) kinds.set(suffix, (kinds.get(suffix) ?? 0) + 1);
    else others += 1;
  }
  return { audio, lyrics, kinds, others };
}

/**
 * A chosen folder, other than a dropped one, comes with what its hidden folders hold.
 * @param {File} file
 */
function isHidden(file) {
  return (file.webkitRelativePath || file.name).split("/").some((part) => part.startsWith("."));
}
