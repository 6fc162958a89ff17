/* Try it */

function parameterInput(parameter) {
  const schema = plain(parameter.schema);
  const known = exampleOf(parameter) ?? schema.example ?? schema.examples?.[0] ?? schema.default;
  const placeholder = known ?? '';
  const value = parameter.required ? String(placeholder) : '';
  const choices = schema.enum ?? (schema.types[0] === 'boolean' ? [true, false] : []);
  const options = ['', ...choices].map((choice) => el('option', {}, String(choice)));
  if (choices.length) return Object.assign(el('select', {}, options), { value });
  const type = schema.format === 'password' ? 'password' : 'text';
  const required = parameter.in === 'path';
  return el('input', { type, value, placeholder, required, autocomplete: 'off' });
}

function requestUrl(path, inputs) {
  const url = new URL('.', documentUrl);
  // Only a relative server counts, and only its path, so that credentials never leave this origin.
  const server = spec.servers?.[0]?.url ?? '';
  if (!/^([a-z][a-z\d+.-]*:|\/\/)/i.test(server)) {
    url.pathname = new URL(server || '.', documentUrl).pathname;
  }
  for (const [{ name, in: place, schema, explode = true }, { value }] of inputs) {
    const isList = explode && plain(schema).types.includes('array');
    const values = isList ? value.split(',') : [value];
    if (place === 'path') path = path.replaceAll(`{${name}}`, () => encodeURIComponent(value));
    if (place === 'query') values.forEach((each) => url.searchParams.append(name, each));
  }
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  return url;
}

function buildRequest({ method, path, security }, allInputs, type, text) {
  const inputs = allInputs.filter(([, input]) => input.value !== '');
  const headers = new Headers();
  for (const [parameter, { value }] of inputs) {
    if (parameter.in === 'header') headers.set(parameter.name, value);
  }
  const authorization = security.flat()
    .map(([name]) => SECURITY[securityKind(name)]?.value()).find(Boolean);
  if (authorization) headers.set('Authorization', authorization);
  if (text) headers.set('Content-Type', type);
  const fields = [...text.matchAll(/^([^=\n]+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
  const body = type === FORM ? new URLSearchParams(fields).toString() : text;
  // Without the browser's own credentials a 401 does not open its password prompt.
  return new Request(requestUrl(path, inputs), {
    method: method.toUpperCase(), headers, body: body || undefined,
    cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

async function readBody(response) {
  const blob = await response.blob();
  if (!/^$|text|json|xml|form|javascript/.test(blob.type)) {
    return { text: `${blob.size} bytes of ${blob.type}` };
  }
  const text = await blob.text();
  try {
    const data = JSON.parse(text);
    return { text: JSON.stringify(data, null, 2), tokens: tokensIn(data) };
  } catch {
    return { text };
  }
}

// The tokens of an answer, in the words of OAuth 2.0 or of the JSON dialect.
function tokensIn(data) {
  const { access_token, refresh_token, access, refresh, tokens } = Object(data);
  const found = { access: access_token ?? access, refresh: refresh_token ?? refresh };
  return typeof found.access === 'string' ? found : tokens && tokensIn(tokens);
}

// Puts tokens where later requests need them: the credentials, and the bodies with a refresh token.
function useTokens({ access, refresh }) {
  token.value = access;
  if (typeof refresh !== 'string') return;
  for (const body of bodies) {
    body.value = body.value
      .replace(/("refresh(?:_token)?": ?)"[^"]*"/, (_, name) => name + JSON.stringify(refresh))
      .replace(/^(refresh_token=).*$/m, (_, name) => name + refresh);
  }
}

function useButton(tokens) {
  const button = el('button', { type: 'button' }, 'Use this token');
  const note = span('muted', 'for all later requests of this page');
  button.addEventListener('click', () => {
    useTokens(tokens);
    button.disabled = true;
    button.textContent = 'Token in use';
    note.textContent = 'Requests that need an access token now send it.';
  });
  return el('div', { className: 'line', role: 'status' }, button, note);
}

async function exchange(request, status, answer) {
  const started = performance.now();
  const response = await fetch(request);
  const { text, tokens } = await readBody(response);
  const elapsed = Math.round(performance.now() - started);
  const authorization = request.headers.get('Authorization');
  const credentials = authorization?.split(' ')[0].toLowerCase() ?? 'no';
  status.replaceChildren(
    span(`badge s${String(response.status)[0]}`, `${response.status} ${response.statusText}`),
    `${elapsed} ms`,
    span('muted', `${request.method} ${response.url} with ${credentials} credentials`));
  const headers = [...response.headers].map((pair) => pair.join(': ')).join('\n');
  answer.append(
    ...(tokens ? [useButton(tokens)] : []),
    text ? el('pre', {}, text) : span('muted', 'The answer has no body.'),
    fold('fold', 'Response headers', el('pre', {}, headers)));
}

function bodyFields(content, type, body) {
  const hint = span('muted');
  const prefill = () => {
    body.value = type.value && bodyText(type.value, content[type.value]);
    body.rows = Math.min(body.value.split('\n').length + 1, 18);
    const isForm = type.value === FORM;
    hint.textContent = isForm ? 'one name=value per line, encoded when sent' : type.value;
  };
  type.addEventListener('change', prefill);
  prefill();
  bodies.push(body);
  return [
    type.length > 1 && el('label', {}, 'Media type', type),
    el('label', {}, el('span', {}, 'Body ', hint), body),
  ];
}

function tryIt(operation) {
  const usable = operation.parameters.filter((parameter) => parameter.in !== 'cookie');
  const inputs = usable.map((parameter) => [parameter, parameterInput(parameter)]);
  const content = operation.requestBody?.content ?? {};
  const type = el('select', {}, Object.keys(content).map((name) => el('option', {}, name)));
  const body = el('textarea', { spellcheck: false, autocomplete: 'off' });
  const send = el('button', {}, 'Send');
  const status = el('div', { className: 'line', role: 'status' });
  const answer = el('div', { className: 'stack' });
  const labels = inputs.map(([parameter, input]) =>
    el('label', {}, el('span', {}, parameter.name, ' ', span('muted', parameter.in)), input));
  const form = el('form', { className: 'try panel' }, el('h4', {}, 'Try it'),
    inputs.length > 0 && el('div', { className: 'inputs' }, labels),
    type.length > 0 && bodyFields(content, type, body), send, status, answer);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    status.replaceChildren('Sending…');
    answer.replaceChildren();
    try {
      await exchange(buildRequest(operation, inputs, type.value, body.value), status, answer);
    } catch (error) {
      status.replaceChildren(span('badge s5', 'No answer'), error.message);
    }
    send.disabled = false;
  });
  return form;
}
