-- Whether items with long bodies are kept: their pairings are read and written with more memory.

ALTER TABLE state ADD COLUMN roomy BOOLEAN DEFAULT false;
