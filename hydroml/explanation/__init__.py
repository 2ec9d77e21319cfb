"""Why a trained model said what it said: days, inputs and states behind a flow."""
