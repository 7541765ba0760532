/**
 * Notifications in this browser, also when the page is closed: whether it can have them, whether it has, turning them on and off.
 * Knows no view. Whose browser it is is the daemon's to keep; the page remembers it only to show it.
 */
import { signal } from "@preact/signals";
import { ApiError, forgetBrowser, readPushOffer, subscribeBrowser, type PushOffer } from "./api";
import { kept } from "./kept";

const WORKER = "/push.js";

/** Null where the site has no such channel, or the browser cannot. */
export const offer = signal<PushOffer | null>(null);
export const subscribed = signal(false);
/** Key of the person whose browser it was said to be; empty for a screen of nobody. */
export const owner = kept<string>("push-owner", "");

/** Why it could not be turned on. */
export type Hindrance = "denied" | "unreachable";

export class Hindered extends Error {
  constructor(readonly why: Hindrance) {
    super(why);
  }
}

const able = (): boolean => isSecureContext && "serviceWorker" in navigator && "PushManager" in window;

async function present(): Promise<PushSubscription | null> {
  const registration = await navigator.serviceWorker.getRegistration("/");
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** Find out how things stand. Throws ApiError, except where the site has no such channel. */
export async function look(): Promise<void> {
  if (!able()) return;
  try {
    offer.value = await readPushOffer();
  } catch (error) {
    if (error instanceof ApiError && error.status === 503) return void (offer.value = null);
    throw error;
  }
  subscribed.value = (await present()) !== null;
}

/** To be called in a gesture. Throws Hindered, ApiError. */
export async function turnOn(person: string, publicKey: string): Promise<void> {
  if ((await Notification.requestPermission()) !== "granted") throw new Hindered("denied");
  await navigator.serviceWorker.register(WORKER);
  const registration = await navigator.serviceWorker.ready;
  const wish = { userVisibleOnly: true, applicationServerKey: publicKey };
  const made = await registration.pushManager.subscribe(wish).catch(() => {
    // A push service that cannot be reached, as Google's in China, or a key that was changed.
    throw new Hindered("unreachable");
  });
  try {
    await subscribeBrowser(made.toJSON(), person);
  } catch (error) {
    await made.unsubscribe();
    throw error;
  }
  owner.value = person;
  subscribed.value = true;
}

export async function turnOff(): Promise<void> {
  const known = await present();
  if (known !== null) {
    await known.unsubscribe();
    await forgetBrowser(known.endpoint).catch((error: unknown) => {
      // The daemon had forgotten it already.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    });
  }
  subscribed.value = false;
}
