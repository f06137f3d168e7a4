-- What came by Open311, as it was told; the case it became is in `cases`. The contact is for the Centre alone.
CREATE TABLE open311_requests (
  case_id UUID NOT NULL PRIMARY KEY REFERENCES cases (id),
  api_key TEXT NOT NULL,
  service_code TEXT NOT NULL,
  service_name TEXT NOT NULL,
  description TEXT NOT NULL,
  address_id TEXT,
  media_url TEXT,
  email TEXT,
  phone TEXT,
  first_name TEXT,
  last_name TEXT,
  device_id TEXT,
  account_id TEXT,
  received_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX open311_requests_received ON open311_requests (received_at);
CREATE INDEX open311_requests_key ON open311_requests (api_key, received_at);
