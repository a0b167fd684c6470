"""Messages: texts that people asked for or need to have, in every language of the policy, as a mail or a short text."""
