/* The page */

function parametersOf(item, operation) {
  const all = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((ref) => {
    const { schema, content = {}, ...rest } = deref(ref);
    const known = schema ?? Object.values(content)[0]?.schema;
    return [`${rest.in} ${rest.name}`, { ...rest, schema: known }];
  });
  return [...new Map(all).values()];
}

function listOperations() {
  const taken = new Set();
  const uniqueId = (name) => {
    let id = name;
    for (let n = 2; taken.has(id); n += 1) id = `${name}-${n}`;
    taken.add(id);
    return id;
  };
  return Object.entries(spec.paths ?? {}).flatMap(([path, ref]) => {
    const item = deref(ref);
    return METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method];
      const security = operation.security ?? spec.security ?? [];
      return {
        ...operation, method, path,
        id: uniqueId((operation.operationId ?? method + path).replace(/[^\w.~-]+/g, '-')),
        tag: operation.tags?.[0] ?? 'Operations',
        parameters: parametersOf(item, operation),
        requestBody: operation.requestBody && deref(operation.requestBody),
        security: security.map((needs) => Object.entries(needs)),
      };
    });
  });
}

function credentialsPanel(operations) {
  const schemes = operations.flatMap(({ security }) => security.flat().map(([name]) => name));
  const kinds = schemes.map(securityKind);
  const bearer = kinds.includes('bearer') && el('label', {}, 'Access token', token);
  const basic = kinds.includes('basic') && [
    el('label', {}, 'Client id', clientId), el('label', {}, 'Client secret', clientSecret),
  ];
  const note = '“Try it” sends them with each operation that needs them. '
    + 'This page keeps them in memory only.';
  return (bearer || basic) && el('section', { className: 'card panel' },
    el('h2', {}, 'Authorize'), el('p', { className: 'muted' }, note),
    bearer && signIn(operations), el('div', { className: 'inputs' }, bearer, basic));
}

// A form that logs in, if the service has a route for it, and uses the tokens of the answer.
function signIn(operations) {
  const login = operations.find(({ method, path }) => method === 'post' && path === '/login');
  if (!login) return null;
  const name = el('input', {
    autocomplete: 'username', autocapitalize: 'none', spellcheck: false, required: true,
  });
  const password = el('input', {
    type: 'password', autocomplete: 'current-password', required: true,
  });
  const send = el('button', {}, 'Sign in');
  const status = el('div', { className: 'line', role: 'status' });
  const form = el('form', { className: 'stack' },
    el('div', { className: 'inputs' }, el('label', {}, 'Username or email', name),
      el('label', {}, 'Password', password)),
    send, status);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    status.replaceChildren('Signing in…');
    const body = JSON.stringify({ username: name.value, password: password.value });
    try {
      const response = await fetch(buildRequest(login, [], 'application/json', body));
      const answer = await response.json();
      const tokens = tokensIn(answer);
      if (tokens) useTokens(tokens);
      if (tokens) password.value = '';
      status.replaceChildren(tokens
        ? 'Signed in. Requests that need an access token now send it.'
        : answer.detail ?? `The service answered ${response.status}.`);
    } catch (error) {
      status.replaceChildren(`No answer: ${error.message}`);
    }
    send.disabled = false;
  });
  return form;
}

function renderTag(tag, operations) {
  const description = spec.tags?.find(({ name }) => name === tag)?.description;
  return el('section', { className: 'tag' }, el('h2', {}, tag), prose(description, 'muted'),
    operations.filter((operation) => operation.tag === tag).map(({ node }) => node));
}

function renderHeader() {
  const { title = 'API', version = '', description } = spec.info ?? {};
  document.title = `${title} ${version}`;
  return el('header', {},
    el('div', { className: 'line' }, el('h1', {}, title), version && span('badge', version)),
    prose(description, 'muted'), el('p', {}, el('a', { href: documentUrl.href }, 'openapi.json')));
}

function renderPage() {
  const listed = listOperations();
  const operations = listed.map((operation) => {
    const { method, path, tag, id, summary, description } = operation;
    const words = [method, path, tag, id, summary, description].join(' ').toLowerCase();
    return { tag, node: renderOperation(operation), words };
  });
  const filter = el('input', {
    type: 'search', placeholder: 'Path, method or word', autocomplete: 'off',
  });
  const applyFilter = () => operations.forEach(({ node, words }) => {
    const wanted = filter.value.toLowerCase().split(/\s+/);
    node.hidden = !wanted.every((word) => words.includes(word));
  });
  const openLinked = () => {
    const linked = operations.find(({ node }) => location.hash === `#${node.id}`)?.node;
    if (!linked) return;
    filter.value = '';
    applyFilter();
    linked.open = true;
    linked.scrollIntoView();
    linked.firstChild.focus({ preventScroll: true });
  };
  const tags = [...new Set(operations.map(({ tag }) => tag))];
  header.replaceWith(renderHeader());
  main.replaceWith(el('main', {}, credentialsPanel(listed),
    el('label', {}, 'Filter operations', filter),
    tags.map((tag) => renderTag(tag, operations)),
    el('p', { className: 'nothing', role: 'status' }, 'No operation matches.')));
  filter.addEventListener('input', applyFilter);
  window.addEventListener('hashchange', openLinked);
  openLinked();
}

async function load() {
  try {
    const response = await fetch(documentUrl);
    if (!response.ok) {
      throw new Error(`the service answered ${response.status} ${response.statusText}`);
    }
    spec = await response.json();
    renderPage();
  } catch (error) {
    main.replaceChildren(el('section', { className: 'card panel', role: 'alert' },
      el('h1', {}, 'The API document could not be shown'),
      el('p', {}, `${documentUrl.href}: ${error.message}`)));
  }
}

load();
