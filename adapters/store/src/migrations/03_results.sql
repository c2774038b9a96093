ALTER TABLE jobs ADD COLUMN result TEXT;  -- a JSON object: the outputs, by name
