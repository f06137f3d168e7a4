// IndexedDB with promises, and its stores. Every write is `durability: strict`: browsers else say "complete" before the
// bytes are on the disk, and a battery that is pulled out takes a saved report with it.

const NAME = 'chengguan-field'
const VERSION = 1

/** Names of the stores; `sync/store.ts` has their rows. */
export const STORES = ['meta', 'base', 'shadow', 'outbox', 'sent', 'media', 'blobs', 'drafts', 'captures'] as const
/** In `meta`: grows with every transaction that changes `base`. */
const RECORDS_NUMBER = 'records_number'
export type StoreName = (typeof STORES)[number]

export async function openDb(name = NAME): Promise<Db> {
  const open = () => connect(name)
  return new Db(await open(), open)
}

function connect(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name, VERSION)
    opening.onupgradeneeded = () => {
      const db = opening.result
      db.createObjectStore('meta')
      db.createObjectStore('base', { keyPath: ['kind', 'id'] }).createIndex('gone', 'gone')
      db.createObjectStore('shadow', { keyPath: ['kind', 'id'] })
      // `place` is the order of making, over both stores and for ever; `epoch` and `seq` are the label.
      const outbox = db.createObjectStore('outbox', { keyPath: 'place' })
      outbox.createIndex('op_id', 'op_id', { unique: true })
      outbox.createIndex('target', ['target_kind', 'target_id'])
      const sent = db.createObjectStore('sent', { keyPath: 'op_id' })
      sent.createIndex('target', ['target_kind', 'target_id'])
      sent.createIndex('label', ['epoch', 'seq'])
      sent.createIndex('place', 'place', { unique: true })
      const media = db.createObjectStore('media', { keyPath: 'sha256' })
      media.createIndex('state', 'state')
      media.createIndex('of', 'of', { multiEntry: true })
      // The bytes apart from what is known of them, so that a list reads no photos.
      db.createObjectStore('blobs')
      db.createObjectStore('drafts')
      const captures = db.createObjectStore('captures', { keyPath: 'place', autoIncrement: true })
      captures.createIndex('answered_at', 'answered_at')
    }
    opening.onerror = () => reject(opening.error ?? new Error('IndexedDB'))
    // Another tab holds an older version open; it closes at `versionchange` below.
    opening.onblocked = () => undefined
    opening.onsuccess = () => {
      opening.result.onversionchange = () => opening.result.close()
      resolve(opening.result)
    }
  })
}

export class Db {
  private opening: Promise<IDBDatabase> | null = null

  constructor(
    private idb: IDBDatabase,
    private readonly open: () => Promise<IDBDatabase>,
  ) {}

  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.run('readonly', work)
  }

  /** All of `work` is durable when the promise is fulfilled, or none of it happened. */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.run('readwrite', async (tx) => {
      const result = await work(tx)
      await tx.number()
      return result
    })
  }

  private run<T>(mode: IDBTransactionMode, work: (tx: Tx) => Promise<T>): Promise<T> {
    let tx: IDBTransaction
    try {
      tx = this.begin(mode)
    } catch (error) {
      if ((error as Error).name !== 'InvalidStateError') return Promise.reject(error)
      return this.reopen().then(() => within(this.begin(mode), work))
    }
    return within(tx, work)
  }

  private begin(mode: IDBTransactionMode): IDBTransaction {
    return this.idb.transaction(STORES, mode, { durability: 'strict' })
  }

  /** The browser closes a store when it likes, such as after a fault of the disk; the page goes on with the next one. */
  private async reopen(): Promise<void> {
    this.opening ??= this.open().finally(() => (this.opening = null))
    this.idb = await this.opening
  }

  close(): void {
    this.idb.close()
  }
}

function within<T>(tx: IDBTransaction, work: (tx: Tx) => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let result: T
    let failure: unknown = null
    tx.oncomplete = () => resolve(result)
    tx.onabort = () => reject(failure ?? tx.error ?? new Error('the transaction was given up'))
    work(new Tx(tx)).then(
      (value) => {
        result = value
      },
      (error: unknown) => {
        failure = error
        try {
          tx.abort()
        } catch {
          // It has ended already, by this very error.
          reject(error)
        }
      },
    )
  })
}

type Key = IDBValidKey | IDBKeyRange

/** An open transaction. Only promises of its own may be awaited in it: for others the browser ends it. */
export class Tx {
  private changesRecords = false

  constructor(private readonly tx: IDBTransaction) {}

  get<T>(store: StoreName, key: Key, index?: string): Promise<T | undefined> {
    return asked(this.source(store, index).get(key) as IDBRequest<T | undefined>)
  }

  all<T>(store: StoreName, key: Key | null = null, index?: string, limit?: number): Promise<T[]> {
    return asked(this.source(store, index).getAll(key, limit) as IDBRequest<T[]>)
  }

  keys(store: StoreName): Promise<IDBValidKey[]> {
    return asked(this.tx.objectStore(store).getAllKeys())
  }

  count(store: StoreName, key?: Key, index?: string): Promise<number> {
    return asked(this.source(store, index).count(key))
  }

  put(store: StoreName, value: unknown, key?: IDBValidKey): Promise<unknown> {
    return asked(this.writable(store).put(value, key))
  }

  /** Fails when the key is there. */
  add(store: StoreName, value: unknown, key?: IDBValidKey): Promise<unknown> {
    return asked(this.writable(store).add(value, key))
  }

  delete(store: StoreName, key: Key): Promise<unknown> {
    return asked(this.writable(store).delete(key))
  }

  clear(store: StoreName): Promise<unknown> {
    return asked(this.writable(store).clear())
  }

  /** Gives the records a new number when this has changed one: who has read them knows by it whether to read again. */
  async number(): Promise<void> {
    if (this.changesRecords) await this.put('meta', ((await this.get<number>('meta', RECORDS_NUMBER)) ?? 0) + 1, RECORDS_NUMBER)
  }

  private writable(store: StoreName): IDBObjectStore {
    this.changesRecords ||= store === 'base'
    return this.tx.objectStore(store)
  }

  private source(store: StoreName, index?: string): IDBObjectStore | IDBIndex {
    const from = this.tx.objectStore(store)
    return index === undefined ? from : from.index(index)
  }
}

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'))
  })
}
