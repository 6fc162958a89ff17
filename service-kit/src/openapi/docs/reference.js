/* The reference */

function table(columns, rows) {
  const heads = [...columns, 'Type', 'Required', 'Constraints', 'Description']
    .map((name) => el('th', { scope: 'col' }, name));
  return rows.length > 0
    && el('table', {}, el('thead', {}, el('tr', {}, heads)), el('tbody', {}, rows));
}

function row(cells, { schema, required, description = plain(schema).description }) {
  const all = [
    ...cells, typeName(schema), required && span('need', 'required'), constraints(schema),
    prose(description),
  ];
  return el('tr', {}, all.map((cell) => el('td', {}, cell)));
}

function fieldRows(schema, path = '', trail = []) {
  const node = plain(schema);
  if (endsAt(node, trail)) return [];
  const inner = [...trail, ...node.refs];
  const prefix = path && `${path}.`;
  const fields = Object.entries(node.properties);
  if (node.isMap) fields.push(['{key}', node.additionalProperties]);
  const own = fields.map(([name, field]) => {
    const cell = span('mono', span('muted', prefix), name);
    const required = node.required.includes(name);
    return [row([cell], { schema: field, required }), fieldRows(field, prefix + name, inner)];
  });
  const optional = node.variants.map((variant, i) => {
    const title = `${path} option ${i + 1}: ${typeName(variant)}`;
    const rows = fieldRows(variant, path, inner);
    const head = el('tr', {}, el('td', { colSpan: 5, className: 'muted' }, title));
    return rows.length ? [head, rows] : [];
  });
  const items = node.items ? fieldRows(node.items, `${path}[]`, inner) : [];
  return [own, optional, items].flat(Infinity);
}

function mediaTypes(content = {}) {
  return Object.entries(content).map(([type, media]) => el('div', { className: 'stack' },
    el('p', {}, el('code', {}, type), ' ', span('muted', typeName(media.schema))),
    table(['Name'], fieldRows(media.schema)),
    fold('fold', 'Example', el('pre', {}, bodyText(type, media)))));
}

function renderResponse(status, response) {
  const headers = Object.entries(response.headers ?? {})
    .map(([name, ref]) => row([span('mono', name)], deref(ref)));
  const title = span('line', span(`badge s${status[0]}`, status),
    el('span', {}, inline(response.description)));
  const content = mediaTypes(response.content);
  if (!headers.length && !content.length) return el('div', { className: 'bare' }, title);
  const details = fold('fold', title,
    el('div', { className: 'response stack' }, table(['Header'], headers), content));
  details.open = status.startsWith('2');
  return details;
}

function securityKind(name) {
  const scheme = deref(spec.components?.securitySchemes?.[name]);
  return (scheme.type === 'http' ? scheme.scheme?.toLowerCase() : scheme.type) ?? name;
}

function securityText(security) {
  const textOf = ([name, scopes]) => {
    const text = SECURITY[securityKind(name)]?.text ?? name;
    return scopes?.length ? `${text} with ${scopes.join(', ')}` : text;
  };
  const all = security.map((needs) => needs.map(textOf).join(' and ') || 'none');
  return all.join(', or ') || 'None';
}

function renderOperation(operation) {
  const { id, method, path, parameters, requestBody, security, deprecated } = operation;
  const kinds = [...new Set(security.flat().map(([name]) => securityKind(name)))];
  const parameterRows = parameters
    .map((parameter) => row([span('mono', parameter.name), parameter.in], parameter));
  const responses = Object.entries(operation.responses ?? {})
    .map(([status, ref]) => renderResponse(status, deref(ref)));
  const details = fold(`operation card ${deprecated ? 'deprecated' : ''}`, [
    span(`badge ${method}`, method.toUpperCase()),
    el('h3', {}, span('mono path', path), span('muted', inline(operation.summary))),
    [deprecated && 'deprecated', ...kinds].map((text) => text && span('badge', text)),
  ], el('div', { className: 'body panel' },
    prose(operation.description),
    block('Security', securityText(security)),
    parameters.length > 0 && block('Parameters', table(['Name', 'In'], parameterRows)),
    requestBody && block(requestBody.required ? 'Request body' : 'Request body (optional)',
      prose(requestBody.description), mediaTypes(requestBody.content)),
    block('Responses', responses),
    tryIt(operation)));
  details.id = id;
  details.addEventListener('toggle', () => {
    if (details.open) history.replaceState(null, '', `#${id}`);
  });
  return details;
}
