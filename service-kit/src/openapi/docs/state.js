/* Constants, and the state of the page: the document, and the credentials. */

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options', 'trace'];
const FORM = 'application/x-www-form-urlencoded';
const MAX_REFERENCES = 5;
const TIMEOUT_MS = 30_000;
const LIMITS = {
  const: 'always', enum: 'one of', default: 'default', pattern: 'matches',
  multipleOf: 'multiple of', minimum: '≥', exclusiveMinimum: '>', maximum: '≤',
  exclusiveMaximum: '<', minLength: 'length ≥', maxLength: 'length ≤', minItems: 'items ≥',
  maxItems: 'items ≤', minProperties: 'fields ≥', maxProperties: 'fields ≤',
};
const FLAGS = {
  uniqueItems: 'unique items', readOnly: 'read only', writeOnly: 'write only',
  deprecated: 'deprecated',
};
const SAMPLES = {
  'date-time': '2030-01-31T12:00:00Z', date: '2030-01-31',
  uuid: '00000000-0000-4000-8000-000000000000', email: 'user@example.com', uri: 'urn:example:a',
};

const [header, main] = document.body.children;
const token = el('input', { type: 'password', autocomplete: 'off' });
const clientId = el('input', { autocomplete: 'off' });
const clientSecret = el('input', { type: 'password', autocomplete: 'off' });
const basicCredentials = () => base64(`${clientId.value}:${clientSecret.value}`);
const SECURITY = {
  bearer: {
    text: 'Access token (Bearer)',
    value: () => token.value && `Bearer ${token.value.trim()}`,
  },
  basic: {
    text: 'Client id and secret (Basic)',
    value: () => clientId.value && `Basic ${basicCredentials()}`,
  },
};
// The text areas of all request bodies.
const bodies = [];

// The page is served as `/docs` and as `/docs/`: the document is its sibling either way.
const documentUrl = new URL(location.origin);
documentUrl.pathname = location.pathname.replace(/[^/]*\/*$/, 'openapi.json');
let spec;
