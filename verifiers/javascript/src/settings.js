/** The settings of a verifier, their defaults and their checks. */

import { Clock } from './clock.js';
import { OutagePolicy } from './revocations/outage_policy.js';
import { withoutTrailingSlash } from './token/claims.js';

const DEFAULTS = {
  leeway: 10,
  refreshInterval: 300,
  minFetchInterval: 10,
  maxKeyAge: 24 * 60 * 60,
  cachedTokens: 10_000,
  background: true,
};

const QUIET = { info() {}, warn: (text) => console.warn(`auth-service-verifier: ${text}`) };

const KNOWN = new Set([
  ...Object.keys(DEFAULTS), 'issuer', 'audience', 'feed', 'jwks', 'jwksUrl', 'clock', 'fetch',
  'logger',
]);

/**
 * Returns the settings with their defaults. Times are in seconds.
 *
 * @throws {TypeError} if a setting is missing, unknown or has a wrong type: a misspelled setting
 * would be a check that is left out
 */
export function checkSettings(given) {
  for (const name of Object.keys(given)) {
    if (!KNOWN.has(name)) throw new TypeError(`unknown setting ${name}`);
  }
  const settings = { ...given };
  for (const [name, value] of Object.entries(DEFAULTS)) settings[name] ??= value;
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (typeof value !== 'number') continue;
    if (!Number.isFinite(settings[name]) || settings[name] < 0) {
      throw new TypeError(`${name} must be a number, not negative`);
    }
  }
  const { background, feed, jwks, jwksUrl, maxKeyAge, refreshInterval } = settings;
  if (feed && !background) throw new TypeError('feed needs a background: a process that stays');
  if (jwks && jwksUrl) throw new TypeError('jwks and jwksUrl exclude each other');
  return {
    ...settings,
    issuer: checkUrl('issuer', settings.issuer, withoutTrailingSlash),
    audiences: checkAudiences(settings.audience),
    jwksUrl: jwksUrl && checkUrl('jwksUrl', jwksUrl),
    // Keys do not become too old between two fetches that succeed.
    refreshInterval: Math.min(refreshInterval, maxKeyAge / 2),
    clock: settings.clock ?? new Clock(),
    // Looked up at each request, so that what replaces the global function later is used.
    fetch: settings.fetch ?? ((...request) => globalThis.fetch(...request)),
    logger: settings.logger ?? QUIET,
    feed: feed && checkFeed(feed),
    policy: feed && new OutagePolicy(feed.outage ?? 'until_expiry'),
  };
}

function checkUrl(name, url, normalize = (text) => text) {
  const isHttp = typeof url === 'string' && URL.canParse(url) && /^https?:/i.test(url);
  if (!isHttp) throw new TypeError(`${name} must be an http or https URL`);
  return normalize(url);
}

/** Returns the audiences. RFC 9068 section 4 requires a resource server to name its own. */
function checkAudiences(audience) {
  const audiences = Array.isArray(audience) ? [...audience] : [audience];
  const isName = (each) => typeof each === 'string' && each !== '';
  const isNamed = audiences.length > 0 && audiences.every(isName);
  if (!isNamed) throw new TypeError('audience must be a text or several');
  return audiences;
}

function checkFeed({ url, clientId, clientSecret }) {
  for (const [name, value] of Object.entries({ clientId, clientSecret })) {
    if (!value || typeof value !== 'string') throw new TypeError(`feed.${name} must be a text`);
  }
  return { url: checkUrl('feed.url', url), clientId, clientSecret };
}
