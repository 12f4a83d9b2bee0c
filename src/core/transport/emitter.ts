import type { Disposable } from '../model/backend.ts';

/** Listeners of one event. A listener that throws does not keep the others from hearing; its error goes to `onError`. */
export class Emitter<T> {
  private readonly listeners = new Set<(value: T) => void>();
  private readonly onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void = () => undefined) {
    this.onError = onError;
  }

  get size(): number {
    return this.listeners.size;
  }

  on(listener: (value: T) => void): Disposable {
    const own = (value: T): void => listener(value);
    this.listeners.add(own);
    return { dispose: () => void this.listeners.delete(own) };
  }

  emit(value: T): void {
    for (const listener of Array.from(this.listeners)) {
      try {
        listener(value);
      } catch (error) {
        this.onError(error);
      }
    }
  }

  clear(): void {
    this.listeners.clear();
  }
}
