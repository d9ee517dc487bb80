







COMMENT ON SCHEMA public IS 'standard public schema';





CREATE TABLE public.administrators (
    key bigint NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL
);



CREATE SEQUENCE public.administrators_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.administrators_key_seq OWNED BY public.administrators.key;



CREATE TABLE public.calls (
    key bigint NOT NULL,
    customer_key bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    token_prefix text NOT NULL,
    client text NOT NULL,
    administrator text,
    user_agent text,
    method text NOT NULL,
    path text NOT NULL,
    status integer NOT NULL,
    duration_us integer NOT NULL,
    request_body bytea,
    answer_body bytea,
    before_body bytea,
    after_body bytea,
    error text
);



CREATE SEQUENCE public.calls_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.calls_key_seq OWNED BY public.calls.key;



CREATE TABLE public.counters (
    customer_key bigint NOT NULL,
    type text NOT NULL,
    total bigint NOT NULL,
    active bigint NOT NULL
);



CREATE TABLE public.customers (
    key bigint NOT NULL,
    name text NOT NULL,
    profile text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revision integer NOT NULL,
    strict boolean NOT NULL,
    retrieval text NOT NULL,
    limits text NOT NULL,
    one_writer boolean NOT NULL,
    writing_client text,
    rate_limit integer,
    licences integer,
    licence_limit boolean NOT NULL
);



CREATE SEQUENCE public.customers_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.customers_key_seq OWNED BY public.customers.key;



CREATE TABLE public.installation (
    name text NOT NULL,
    value text NOT NULL
);



CREATE TABLE public.members (
    group_key bigint NOT NULL,
    member_key bigint NOT NULL,
    display text
);



CREATE TABLE public.muster_schema_version (
    version_num character varying(32) NOT NULL
);



CREATE TABLE public.people_sessions (
    digest text NOT NULL,
    customer_key bigint NOT NULL,
    resource_id text NOT NULL,
    name_id text NOT NULL,
    name_format text,
    session_index text,
    csrf_token text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);



CREATE TABLE public.resources (
    key bigint NOT NULL,
    customer_key bigint NOT NULL,
    type text NOT NULL,
    resource_id text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    unique_scope bigint NOT NULL,
    unique_name text COLLATE pg_catalog."C",
    external_id text COLLATE pg_catalog."C",
    display_name text COLLATE pg_catalog."C",
    active boolean,
    by_hand boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    modified_at timestamp with time zone NOT NULL,
    body bytea NOT NULL
);



CREATE SEQUENCE public.resources_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.resources_key_seq OWNED BY public.resources.key;



CREATE TABLE public.sessions (
    digest text NOT NULL,
    administrator_key bigint NOT NULL,
    csrf_token text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);



CREATE TABLE public.sign_on_assertions (
    customer_key bigint NOT NULL,
    assertion_id text NOT NULL,
    counts_until timestamp with time zone NOT NULL
);



CREATE TABLE public.sign_on_domains (
    domain text NOT NULL,
    customer_key bigint NOT NULL
);



CREATE TABLE public.sign_on_log (
    key bigint NOT NULL,
    customer_key bigint,
    at timestamp with time zone NOT NULL,
    reference text NOT NULL,
    name_id text,
    machine text NOT NULL,
    code text,
    sentence text NOT NULL
);



CREATE SEQUENCE public.sign_on_log_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.sign_on_log_key_seq OWNED BY public.sign_on_log.key;



CREATE TABLE public.sign_on_requests (
    request_id text NOT NULL,
    customer_key bigint NOT NULL,
    digest text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);



CREATE TABLE public.sign_ons (
    customer_key bigint NOT NULL,
    enabled boolean NOT NULL,
    provider text NOT NULL,
    issuer text NOT NULL,
    login_url text NOT NULL,
    logout_url text,
    certificates text NOT NULL,
    from_provider boolean NOT NULL
);



CREATE TABLE public.sites (
    key bigint NOT NULL,
    customer_key bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL
);



CREATE SEQUENCE public.sites_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.sites_key_seq OWNED BY public.sites.key;



CREATE TABLE public.tokens (
    key bigint NOT NULL,
    customer_key bigint NOT NULL,
    digest text NOT NULL,
    prefix text NOT NULL,
    client text NOT NULL,
    administrator_key bigint,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone
);



CREATE SEQUENCE public.tokens_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.tokens_key_seq OWNED BY public.tokens.key;



ALTER TABLE ONLY public.administrators ALTER COLUMN key SET DEFAULT nextval('public.administrators_key_seq'::regclass);



ALTER TABLE ONLY public.calls ALTER COLUMN key SET DEFAULT nextval('public.calls_key_seq'::regclass);



ALTER TABLE ONLY public.customers ALTER COLUMN key SET DEFAULT nextval('public.customers_key_seq'::regclass);



ALTER TABLE ONLY public.resources ALTER COLUMN key SET DEFAULT nextval('public.resources_key_seq'::regclass);



ALTER TABLE ONLY public.sign_on_log ALTER COLUMN key SET DEFAULT nextval('public.sign_on_log_key_seq'::regclass);



ALTER TABLE ONLY public.sites ALTER COLUMN key SET DEFAULT nextval('public.sites_key_seq'::regclass);



ALTER TABLE ONLY public.tokens ALTER COLUMN key SET DEFAULT nextval('public.tokens_key_seq'::regclass);



INSERT INTO public.administrators VALUES (1, 'anna', '$argon2id$v=19$m=65536,t=3,p=4$qHIpqGRUNMVdBmxSD+AmfQ$1omoM0439EaHxtXSJD98CBXI0gT45F8NX05zk2+IukA', 'administrator', '2026-11-26 23:05:25.407402+00');



INSERT INTO public.calls VALUES (1, 1, '2026-11-26 23:05:21.108644+00', '8x8_IfITfE', 'identity provider', NULL, NULL, 'POST', '/Users', 201, 2710, '\x7b22757365724e616d65223a2022616461222c2022616374697665223a20747275657d', NULL, NULL, '\x7b22736368656d6173223a5b2275726e3a696574663a706172616d733a7363696d3a736368656d61733a636f72653a322e303a55736572225d2c226964223a2230316132316131622d333764372d373333652d383235302d333365613963353039353039222c22757365724e616d65223a22616461222c22616374697665223a747275652c226d657461223a7b227265736f7572636554797065223a2255736572222c2263726561746564223a22323032362d31312d32365432333a30353a32312e3131315a222c226c6173744d6f646966696564223a22323032362d31312d32365432333a30353a32312e3131315a222c2276657273696f6e223a22572f5c22315c22227d7d', NULL);
INSERT INTO public.calls VALUES (2, 1, '2026-11-26 23:05:21.120388+00', '8x8_IfITfE', 'identity provider', NULL, NULL, 'POST', '/Groups', 201, 1839, '\x7b22646973706c61794e616d65223a202253616c6573222c20226d656d62657273223a205b7b2276616c7565223a202230316132316131622d333764372d373333652d383235302d333365613963353039353039227d5d7d', NULL, NULL, '\x7b22736368656d6173223a5b2275726e3a696574663a706172616d733a7363696d3a736368656d61733a636f72653a322e303a47726f7570225d2c226964223a2230316132316131622d333765302d373166352d626663642d653832373939636437633332222c22646973706c61794e616d65223a2253616c6573222c226d657461223a7b227265736f7572636554797065223a2247726f7570222c2263726561746564223a22323032362d31312d32365432333a30353a32312e3132305a222c226c6173744d6f646966696564223a22323032362d31312d32365432333a30353a32312e3132305a222c2276657273696f6e223a22572f5c22315c22227d7d', NULL);



INSERT INTO public.counters VALUES (1, 'User', 1, 1);
INSERT INTO public.counters VALUES (1, 'Group', 1, 1);
INSERT INTO public.counters VALUES (2, 'User', 0, 0);
INSERT INTO public.counters VALUES (2, 'Group', 0, 0);



INSERT INTO public.customers VALUES (1, 'generic', 'generic', '2026-11-26 23:05:20.090186+00', 1, false, 'all', 'lenient', false, NULL, NULL, NULL, false);
INSERT INTO public.customers VALUES (2, 'lantaarn', '8x8', '2026-11-26 23:05:23.050061+00', 1, false, 'all', 'lenient', true, NULL, NULL, NULL, false);



INSERT INTO public.installation VALUES ('public url', 'http://127.0.0.1:34119');
INSERT INTO public.installation VALUES ('cursor-key', 'ZMNqhquLITK5tonlMQg-fqMGPNpuPWzd_qcsEnEVTYI');



INSERT INTO public.members VALUES (2, 1, NULL);



INSERT INTO public.muster_schema_version VALUES ('0001');






INSERT INTO public.resources VALUES (1, 1, 'User', '01a21a1b-37d7-733e-8250-33ea9c509509', 1, 1, 'ada', NULL, NULL, true, false, '2026-11-26 23:05:21.111+00', '2026-11-26 23:05:21.111+00', '\x7b22736368656d6173223a5b2275726e3a696574663a706172616d733a7363696d3a736368656d61733a636f72653a322e303a55736572225d2c226964223a2230316132316131622d333764372d373333652d383235302d333365613963353039353039222c22757365724e616d65223a22616461222c22616374697665223a747275652c226d657461223a7b227265736f7572636554797065223a2255736572222c2263726561746564223a22323032362d31312d32365432333a30353a32312e3131315a222c226c6173744d6f646966696564223a22323032362d31312d32365432333a30353a32312e3131315a222c2276657273696f6e223a22572f5c22315c22227d7d');
INSERT INTO public.resources VALUES (2, 1, 'Group', '01a21a1b-37e0-71f5-bfcd-e82799cd7c32', 1, 1, 'sales', NULL, 'sales', NULL, false, '2026-11-26 23:05:21.12+00', '2026-11-26 23:05:21.12+00', '\x7b22736368656d6173223a5b2275726e3a696574663a706172616d733a7363696d3a736368656d61733a636f72653a322e303a47726f7570225d2c226964223a2230316132316131622d333765302d373166352d626663642d653832373939636437633332222c22646973706c61794e616d65223a2253616c6573222c226d657461223a7b227265736f7572636554797065223a2247726f7570222c2263726561746564223a22323032362d31312d32365432333a30353a32312e3132305a222c226c6173744d6f646966696564223a22323032362d31312d32365432333a30353a32312e3132305a222c2276657273696f6e223a22572f5c22315c22227d7d');





















INSERT INTO public.sites VALUES (1, 2, 'London', '2026-11-26 23:05:23.050061+00');



INSERT INTO public.tokens VALUES (1, 1, '50229be434e16d3ee26f1d018355f7bea3c270a87daa782acb0c1d2f3de6b58d', '8x8_IfITfE', 'identity provider', NULL, '2026-11-26 23:05:20.090186+00', NULL, '2026-11-26 23:05:21.120388+00');
INSERT INTO public.tokens VALUES (2, 2, '82376cdbde2d33bfe455ae2c5a482dea3ef8d17884b5d1ca5824a632ea099e48', '8x8_1NBLg4', 'identity provider', NULL, '2026-11-26 23:05:23.050061+00', NULL, NULL);



SELECT pg_catalog.setval('public.administrators_key_seq', 1, true);



SELECT pg_catalog.setval('public.calls_key_seq', 2, true);



SELECT pg_catalog.setval('public.customers_key_seq', 2, true);



SELECT pg_catalog.setval('public.resources_key_seq', 2, true);



SELECT pg_catalog.setval('public.sign_on_log_key_seq', 1, false);



SELECT pg_catalog.setval('public.sites_key_seq', 1, true);



SELECT pg_catalog.setval('public.tokens_key_seq', 2, true);



ALTER TABLE ONLY public.administrators
    ADD CONSTRAINT administrators_name_key UNIQUE (name);



ALTER TABLE ONLY public.administrators
    ADD CONSTRAINT administrators_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (customer_key, type);



ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_name_key UNIQUE (name);



ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (group_key, member_key);



ALTER TABLE ONLY public.muster_schema_version
    ADD CONSTRAINT muster_schema_version_pkc PRIMARY KEY (version_num);



ALTER TABLE ONLY public.people_sessions
    ADD CONSTRAINT people_sessions_pkey PRIMARY KEY (digest);



ALTER TABLE ONLY public.resources
    ADD CONSTRAINT resources_id_unique UNIQUE (customer_key, type, resource_id);



ALTER TABLE ONLY public.resources
    ADD CONSTRAINT resources_name_unique UNIQUE (customer_key, type, unique_name);



ALTER TABLE ONLY public.resources
    ADD CONSTRAINT resources_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (digest);



ALTER TABLE ONLY public.sign_on_assertions
    ADD CONSTRAINT sign_on_assertions_pkey PRIMARY KEY (customer_key, assertion_id);



ALTER TABLE ONLY public.sign_on_domains
    ADD CONSTRAINT sign_on_domains_pkey PRIMARY KEY (domain);



ALTER TABLE ONLY public.sign_on_log
    ADD CONSTRAINT sign_on_log_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.sign_on_requests
    ADD CONSTRAINT sign_on_requests_pkey PRIMARY KEY (request_id);



ALTER TABLE ONLY public.sign_ons
    ADD CONSTRAINT sign_ons_issuer_key UNIQUE (issuer);



ALTER TABLE ONLY public.sign_ons
    ADD CONSTRAINT sign_ons_pkey PRIMARY KEY (customer_key);



ALTER TABLE ONLY public.sites
    ADD CONSTRAINT sites_name_unique UNIQUE (customer_key, name);



ALTER TABLE ONLY public.sites
    ADD CONSTRAINT sites_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_digest_key UNIQUE (digest);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (key);



CREATE INDEX calls_of_customer ON public.calls USING btree (customer_key, at, key);



CREATE INDEX ix_people_sessions_customer_key ON public.people_sessions USING btree (customer_key);



CREATE INDEX ix_people_sessions_expires_at ON public.people_sessions USING btree (expires_at);



CREATE INDEX ix_sign_on_assertions_counts_until ON public.sign_on_assertions USING btree (counts_until);



CREATE INDEX ix_sign_on_requests_expires_at ON public.sign_on_requests USING btree (expires_at);



CREATE INDEX members_of_whom ON public.members USING btree (member_key);



CREATE INDEX resources_active ON public.resources USING btree (customer_key, type, active);



CREATE INDEX resources_by_hand ON public.resources USING btree (customer_key, type) WHERE by_hand;



CREATE INDEX resources_display_name ON public.resources USING btree (customer_key, type, display_name);



CREATE INDEX resources_external_id ON public.resources USING btree (customer_key, type, external_id);



CREATE INDEX resources_in_order ON public.resources USING btree (customer_key, type, key, created_at);



CREATE INDEX resources_modified_at ON public.resources USING btree (customer_key, type, modified_at);



CREATE UNIQUE INDEX resources_shared_name_unique ON public.resources USING btree (type, unique_name) WHERE (unique_scope = 0);



CREATE INDEX sign_on_log_of_customer ON public.sign_on_log USING btree (customer_key, key);



CREATE INDEX tokens_of_customer ON public.tokens USING btree (customer_key);



ALTER TABLE ONLY public.calls
    ADD CONSTRAINT calls_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_group_key_fkey FOREIGN KEY (group_key) REFERENCES public.resources(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_member_key_fkey FOREIGN KEY (member_key) REFERENCES public.resources(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.people_sessions
    ADD CONSTRAINT people_sessions_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.resources
    ADD CONSTRAINT resources_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_administrator_key_fkey FOREIGN KEY (administrator_key) REFERENCES public.administrators(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sign_on_assertions
    ADD CONSTRAINT sign_on_assertions_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sign_on_domains
    ADD CONSTRAINT sign_on_domains_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.sign_ons(customer_key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sign_on_log
    ADD CONSTRAINT sign_on_log_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sign_on_requests
    ADD CONSTRAINT sign_on_requests_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sign_ons
    ADD CONSTRAINT sign_ons_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.sites
    ADD CONSTRAINT sites_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_administrator_key_fkey FOREIGN KEY (administrator_key) REFERENCES public.administrators(key);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_customer_key_fkey FOREIGN KEY (customer_key) REFERENCES public.customers(key) ON DELETE CASCADE;




